//! `cargo xtask machine`, and the stage of `cargo xtask test`.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, anyhow};

use super::kernel;
use crate::{
    cargo, dist, interrupt,
    setup::{self, Purpose},
    test::{Tally, command},
    vm,
};

/// The stage of `cargo xtask test`.
pub(crate) const STAGE: &str = "servers";

/// Version of the package that servers get.
const VERSION: &str = "0.0.1-1";

/// Builds everything, and becomes the runner.
pub(crate) fn run(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Lab, Purpose::Package, Purpose::Machine])?;
    let mut command = if boots(args) { prepare(root, !has_package(args))? } else { Command::new(build(root)?.1) };
    command.current_dir(root).args(args);
    if interrupt::happened() {
        return Ok(ExitCode::FAILURE);
    }
    // The runner replaces xtask, so signals reach it and its exit code is the verb's.
    Err(command.exec()).with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// Runs the scenarios of the gate.
pub(crate) fn stage(root: &Path, tally: &mut Tally) -> Result<()> {
    command(prepare(root, true)?.current_dir(root).arg("--gate"), tally)
}

/// Returns true if servers will be booted: unless help or a list is requested.
fn boots(args: &[OsString]) -> bool {
    !args.iter().any(|arg| ["-h", "--help", "--list", "--down"].iter().any(|option| arg == option))
}

/// Returns true if a package is named.
fn has_package(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--package" || arg.to_string_lossy().starts_with("--package="))
}

/// Builds everything, also the package if it is wanted, and returns the command of the runner with the paths of it.
fn prepare(root: &Path, with_package: bool) -> Result<Command> {
    let (agent, runner) = build(root)?;
    let files = root.join("target/machine");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    for series in vm::GATE {
        kernel::make(&vm::kernels(root), series, &files)?;
    }
    let mut command = Command::new(runner);
    if with_package {
        command.arg("--package").arg(dist::make(root, &agent, VERSION, &files, dist::Compression::None)?);
    }
    command.arg("--files").arg(files);
    Ok(command)
}

/// Builds the agent and the runner.
fn build(root: &Path) -> Result<(PathBuf, PathBuf)> {
    eprintln!("xtask: building the agent and the runner");
    let build = ["build", "--bins"].into_iter().chain(cargo::HOST_PACKAGES);
    let mut built = cargo::executables(root, build)?;
    let mut path = |name: &str| built.remove(name).ok_or_else(|| anyhow!("cargo built no binary `{name}`"));
    Ok((path("vtep-gateway")?, path("machine")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_named_is_not_made() {
        let has_package = |args: &[&str]| has_package(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(has_package(&["--package", "a.deb"]) && has_package(&["--package=a.deb"]));
        assert!(!has_package(&["--gate"]));
    }

    #[test]
    fn a_list_and_help_boot_nothing() {
        let boots = |args: &[&str]| boots(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(boots(&[]));
        assert!(boots(&["--kernel", "6.1", "bond"]));
        assert!(!boots(&["--list"]));
        assert!(!boots(&["--help"]));
    }
}
