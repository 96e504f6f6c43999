//! `cargo xtask docs`: the pages of `docs/` that are made from code.

use std::{path::Path, process::Command, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    cargo, child,
    setup::{self, Purpose},
};

/// Writes them, or with `check` fails if one is out of date.
pub(crate) fn run(root: &Path, check: bool) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf])?;
    let build = ["build", "--example", "docs"].into_iter().chain(cargo::HOST_PACKAGES);
    let docs = cargo::executables(root, build)?.remove("docs").context("cargo built no example `docs`")?;
    child::run(Command::new(docs).args(check.then_some("--check")))?;
    Ok(ExitCode::SUCCESS)
}
