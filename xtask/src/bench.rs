//! `cargo xtask bench`: builds the BPF objects, the agent and the benchmark, and becomes the benchmark.

use std::{ffi::OsString, os::unix::process::CommandExt, path::Path, process::Command, process::ExitCode};

use anyhow::{Context, Result, anyhow};

use crate::{
    cargo, ebpf, interrupt,
    setup::{self, Purpose},
};

/// The part that needs the agent, in its release build.
const CONTROL: &str = "control";

pub(crate) fn run(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Lab])?;
    let programs = ebpf::build_bench(root)?;
    eprintln!("xtask: building the benchmark");
    // Debug build, as for the tests: the measured work is the kernel's.
    let bench = build(root, "bench", &[])?;
    let mut command = Command::new(&bench);
    command.current_dir(root).arg("--object").arg(programs).args(args);
    if wants_control(args) {
        eprintln!("xtask: building the agent for release");
        command.env(cargo::AGENT_ENV, build(root, "vtep-gateway", &["--release"])?);
    }
    if interrupt::happened() {
        return Ok(ExitCode::FAILURE);
    }
    // The benchmark replaces xtask, so signals reach it and its exit code is the verb's.
    Err(command.exec()).with_context(|| format!("cannot start {}", bench.display()))
}

fn build(root: &Path, name: &str, options: &[&str]) -> Result<std::path::PathBuf> {
    let args = ["build", "--bin", name].into_iter().chain(cargo::HOST_PACKAGES).chain(options.iter().copied());
    cargo::executables(root, args)?.remove(name).ok_or_else(|| anyhow!("cargo built no binary `{name}`"))
}

/// Returns true if the benchmark will measure the control plane: unless `--only` names other parts alone, or help is
/// requested.
fn wants_control(args: &[OsString]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let help = args.iter().any(|arg| ["-h", "--help"].contains(&arg.as_ref()));
    let after = args.iter().position(|arg| arg == "--only").and_then(|at| args.get(at + 1));
    let only = args.iter().find_map(|arg| arg.strip_prefix("--only=")).or(after.map(AsRef::as_ref));
    !help && only.is_none_or(|only| only.split(',').any(|part| part == CONTROL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_built_only_where_it_is_measured() {
        let wants = |args: &[&str]| wants_control(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(wants(&[]));
        assert!(wants(&["--quick", "--json"]));
        assert!(wants(&["--only", "decap,control"]));
        assert!(wants(&["--only=control"]));
        assert!(!wants(&["--only", "decap,encap"]));
        assert!(!wants(&["--quick", "--only=scale"]));
        assert!(!wants(&["--help"]));
    }
}
