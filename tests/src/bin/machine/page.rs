//! The page of `docs/` that has the table of scenarios. `cargo xtask docs` calls this.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use lab::machine::support;

/// Writes the table into a page, or with `check` fails if the page has another one.
pub(crate) fn write(path: &Path, check: bool) -> Result<ExitCode> {
    let present = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let made = support::page(&present).with_context(|| format!("{} has no place for the table", path.display()))?;
    if made == present {
        return Ok(ExitCode::SUCCESS);
    }
    if check {
        eprintln!("{} is out of date; `cargo xtask docs` writes it again", path.display());
        return Ok(ExitCode::FAILURE);
    }
    fs::write(path, made).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}
