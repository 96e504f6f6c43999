//! Boots a kernel in QEMU and reads the tests' result off its console.

use std::{io, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::kernel::Kernel;
use crate::{
    child::{self, Ended},
    test::Tally,
};

/// A VM that is not through by then hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// What `init.sh` says when the tests have ended.
const MARKER: &str = "init: tests exited with ";

/// Boots `kernel` with this initramfs, counts the tests in `tally`, and fails if they do or the VM does.
pub(super) fn run(kernel: &Kernel, initramfs: &Path, tally: &mut Tally) -> Result<()> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-cpu", "max", "-m", "1G"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"])
        // The VM ends by rebooting; so does a panic.
        .arg("-no-reboot")
        .args(["-append", "console=ttyS0 panic=-1 quiet"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs);

    let mut exit_code = None;
    let ended = child::stream(&mut qemu, LIMIT, io::stdout(), |line| {
        tally.read(line);
        // The kernel may have put something of its own on the line before it.
        if let Some((_, code)) = line.split_once(MARKER) {
            exit_code = code.parse::<i32>().ok();
        }
    })?;
    let release = &kernel.release;
    match (exit_code, ended) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => bail!("the tests failed on Linux {release} (exit code {code})"),
        (None, Ended::TimedOut) => bail!("Linux {release} was not through after {} seconds", LIMIT.as_secs()),
        (None, Ended::Exited(status)) if !status.success() => bail!("QEMU failed: {status}"),
        (None, Ended::Exited(_)) => bail!("Linux {release} stopped before the tests had ended"),
    }
}
