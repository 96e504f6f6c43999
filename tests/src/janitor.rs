//! Cleans up after a process that can't do it itself: Ctrl-C on a test run, or a kill.
//!
//! A shell in a process group of its own waits for the end of this process. If the labs were dropped in the ordinary
//! way, it finds nothing to do.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result};

use crate::sweep::PREFIX;

/// Starts the janitor of this process, unless there is one.
///
/// # Errors
/// If there is no shell.
pub(crate) fn hire() -> Result<()> {
    // Owns the writing end of the pipe, which closes when the process ends and not before.
    static JANITOR: OnceLock<Child> = OnceLock::new();

    if JANITOR.get().is_none() {
        let janitor = Command::new("sh")
            .args(["-c", include_str!("janitor.sh"), "janitor"])
            .arg(format!("{PREFIX}{}", std::process::id()))
            .arg(std::env::temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting a shell to clean up behind this process")?;
        JANITOR.get_or_init(|| janitor);
    }
    Ok(())
}
