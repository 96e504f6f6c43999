//! Debian's package manager.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

use crate::child;

/// Script that every package calls before it starts a daemon; exit code 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Returns true if this is Debian or a derivative.
pub(super) fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").is_file()
}

/// Updates the lists of packages.
pub(super) fn update() -> Result<()> {
    child::run(apt_get().arg("update")).context("cannot update the lists of packages")
}

/// Returns true if a package of this name is available.
pub(super) fn knows(package: &str) -> bool {
    let shown = child::output(Command::new("apt-cache").args(["--quiet=0", "show", package]));
    shown.is_ok_and(|output| !output.is_empty())
}

/// Installs packages, and keeps them from starting daemons.
pub(super) fn install<S: AsRef<str>>(packages: &[S]) -> Result<()> {
    let _quiet = NoDaemons::enforce()?;
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends"]);
    command.args(packages.iter().map(AsRef::as_ref)).env("DEBIAN_FRONTEND", "noninteractive");
    child::run(&mut command).context("cannot install packages; apt's own words are above")
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another apt may be running: wait for it. A progress bar makes no sense in a log.
    command.args(["--quiet", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0"]);
    command
}

/// Keeps packages from starting daemons until it is dropped. An existing policy of the machine is left unchanged.
struct NoDaemons {
    ours: bool,
}

impl NoDaemons {
    fn enforce() -> Result<Self> {
        match OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY) {
            Ok(mut file) => {
                let guard = Self { ours: true };
                file.write_all(b"#!/bin/sh\n# Temporary: cargo xtask setup is installing packages.\nexit 101\n")
                    .with_context(|| format!("cannot write {POLICY}"))?;
                Ok(guard)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Self { ours: false }),
            Err(error) => {
                Err(error).with_context(|| format!("cannot create {POLICY}, which keeps daemons from starting"))
            }
        }
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("xtask: remove {POLICY} by hand, or no package will ever start a daemon here: {error}");
        }
    }
}
