//! `cargo xtask demo`: builds the agent and the demo, and becomes the demo.

use std::{ffi::OsString, os::unix::process::CommandExt, path::Path, process::Command, process::ExitCode};

use anyhow::{Context, Result, anyhow};

use crate::{
    cargo, interrupt,
    setup::{self, Purpose},
};

pub(crate) fn run(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Lab])?;
    eprintln!("xtask: building the agent and the demo");
    let build = ["build", "--bin", "vtep-gateway", "--bin", "demo"].into_iter().chain(cargo::HOST_PACKAGES);
    let built = cargo::executables(root, build)?;
    let path = |name: &str| built.get(name).ok_or_else(|| anyhow!("cargo built no binary `{name}`"));
    let demo = path("demo")?;
    let mut command = Command::new(demo);
    command.current_dir(root).args(args).env(cargo::AGENT_ENV, path("vtep-gateway")?);
    if interrupt::happened() {
        return Ok(ExitCode::FAILURE);
    }
    // The demo replaces xtask, so signals reach it and its exit code is the verb's.
    Err(command.exec()).with_context(|| format!("cannot start {}", demo.display()))
}
