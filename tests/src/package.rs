//! The Debian package under test.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::gateway::binary;

/// Makes the package with this version from the agent under test, and leaves it in `directory`. The only difference
/// from a released package is the compression level.
///
/// # Errors
/// The error output of `cargo xtask dist`.
pub fn make(version: &str, directory: &Path) -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["xtask", "dist", "--deb-version", version, "--binary", binary()?, "--output"])
        .arg(directory)
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "0")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .context("starting cargo to make the package")?;
    let (printed, trouble) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "`cargo xtask dist`: {}\n{trouble}", output.status);
    Ok(PathBuf::from(printed.trim()))
}
