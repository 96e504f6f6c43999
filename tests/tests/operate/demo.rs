//! The lab that `cargo xtask demo --keep` leaves up.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use lab::gateway::binary;

/// A process that was left running.
struct Left {
    pid: String,
    command: String,
}

/// Processes with `word` in their command line, but for `than` this one.
fn with_word(word: &str) -> Result<Vec<Left>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let Ok(words) = fs::read(entry.path().join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&words).replace('\0', " ");
        if pid.bytes().all(|byte| byte.is_ascii_digit()) && command.contains(word) {
            all.push(Left { pid, command });
        }
    }
    Ok(all)
}

#[test]
fn what_a_demo_leaves_up_inherits_neither_signal_masks_nor_descriptors() -> Result<()> {
    let demo = env!("CARGO_BIN_EXE_demo");
    let held = std::env::temp_dir().join(format!("vtep-gateway-held-{}", std::process::id()));
    // A shell does not close what it opens.
    let script = format!("exec 9>{}; exec {demo} --keep", held.display());
    let output = Command::new("timeout")
        .args(["90", "sh", "-c", &script])
        .env("VTEP_GATEWAY", binary()?)
        .stdin(Stdio::null())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let id = printed.lines().find_map(|line| line.trim().strip_prefix("cargo xtask demo --down "));
    let id = id.with_context(|| format!("{printed}{}", String::from_utf8_lossy(&output.stderr)))?.to_owned();
    let outcome = look_at(&id, &held);
    let down = Command::new(demo).args(["--down", &id]).output()?;
    let _ = fs::remove_file(&held);
    outcome?;
    ensure!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    Ok(())
}

fn look_at(id: &str, held: &Path) -> Result<()> {
    let left = with_word(id)?;
    ensure!(left.iter().any(|one| one.command.contains("vtep-gateway")), "no agent of {id} runs");
    for Left { pid, command } in left {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).context("no SigBlk")?.trim();
        // Of the main thread: SIGHUP (1), SIGINT (2) and SIGTERM (15).
        let mask = u64::from_str_radix(blocked, 16)?;
        ensure!(mask & (1 | 1 << 1 | 1 << 14) == 0, "{command} has blocked {blocked}");
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
            let open = fs::read_link(descriptor.path()).unwrap_or_default();
            ensure!(open != held, "{command} holds {}", open.display());
        }
    }
    Ok(())
}
