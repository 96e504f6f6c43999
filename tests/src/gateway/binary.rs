//! The program `vtep-gateway`, and runs of it to the end.

use std::{env, path::Path, process::Output, sync::OnceLock};

use anyhow::{Context, Result, anyhow, ensure};

use super::agent::write;
use crate::Host;

/// Runs the agent on `host` with a configuration of this text until it ends by itself, which it should do soon.
///
/// # Errors
/// If it could not be started.
pub fn try_run(host: &Host, text: &str) -> Result<Output> {
    let file = host.lab().directory().join(format!("{}-try.toml", host.name()));
    write(&file, text)?;
    host.attempt(&format!("timeout 10 {} run --config {}", binary()?, file.display()))
}

/// Runs `vtep-gateway ARGUMENTS` on `host` to its end.
///
/// # Errors
/// If it could not be started.
pub fn command(host: &Host, arguments: &str) -> Result<Output> {
    host.attempt(&format!("timeout 10 {} {arguments}", binary()?))
}

/// Returns the agent's program: `$VTEP_GATEWAY`, else the one that cargo builds beside this executable.
///
/// # Errors
/// If it cannot be built.
pub fn binary() -> Result<&'static str> {
    static BINARY: OnceLock<Result<String, String>> = OnceLock::new();
    let binary = BINARY.get_or_init(|| find().map_err(|trouble| format!("{trouble:#}")));
    binary.as_deref().map_err(|trouble| anyhow!("{trouble}"))
}

fn find() -> Result<String> {
    if let Ok(path) = env::var("VTEP_GATEWAY") {
        ensure!(Path::new(&path).exists(), "VTEP_GATEWAY names {path}, which is not there");
        return Ok(path);
    }
    // target/debug/deps/e2e-1234 or target/debug/demo
    let executable = env::current_exe()?;
    let profile = executable
        .ancestors()
        .find(|path| path.ends_with("debug") || path.ends_with("release"))
        .context("this executable is not in a target directory; set VTEP_GATEWAY to the agent's program")?;
    let mut words = vec!["cargo", "build", "--quiet", "--package", "gateway", "--bin", "vtep-gateway"];
    if profile.ends_with("release") {
        words.push("--release");
    }
    let status = std::process::Command::new(words[0])
        .args(&words[1..])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .context("starting cargo to build the agent; or set VTEP_GATEWAY to its program")?;
    ensure!(status.success(), "`{}`: {status}", words.join(" "));
    Ok(profile.join("vtep-gateway").to_string_lossy().into_owned())
}
