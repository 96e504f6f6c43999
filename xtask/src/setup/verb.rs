//! `cargo xtask setup`, and the part of it that the other verbs run.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::{install, needs::Purpose, survey::survey};
use crate::interrupt;

/// Runs `cargo xtask setup [--check]`.
pub(crate) fn run(check: bool) -> Result<ExitCode> {
    if !check {
        ensure(&Purpose::ALL)?;
        println!("everything that vtep-gateway's development needs is there");
        return Ok(ExitCode::SUCCESS);
    }
    let missing = survey(&Purpose::ALL);
    if missing.is_empty() {
        println!("everything that vtep-gateway's development needs is there");
        return Ok(ExitCode::SUCCESS);
    }
    println!("missing (`cargo xtask setup` installs it):");
    for missing in missing {
        println!("  - {missing}");
    }
    Ok(ExitCode::FAILURE)
}

/// Installs the unmet needs of these purposes; prints nothing if there are none.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<()> {
    let missing = survey(purposes);
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("xtask: to be installed:");
    for missing in &missing {
        eprintln!("  - {missing}");
    }
    install::install(&missing)?;
    if interrupt::happened() {
        bail!("interrupted");
    }

    let still = survey(purposes);
    if still.is_empty() {
        eprintln!("xtask: set up");
        return Ok(());
    }
    let still: Vec<_> = still.iter().map(ToString::to_string).collect();
    bail!("installed everything, yet this is still missing: {}", still.join("; "))
}
