//! Two versions of the package, made once.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Result, anyhow};
use lab::package;

/// The version that is installed first.
pub(crate) const OLD: &str = "0.0.1-1";
/// The one that comes after.
pub(crate) const NEW: &str = "0.0.2-1";

/// The package of a version.
pub(crate) fn package(version: &'static str) -> Result<&'static Path> {
    static MADE: [OnceLock<Result<PathBuf, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let place = &MADE[usize::from(version == NEW)];
    let made = place.get_or_init(|| package::make(version, &directory()).map_err(|trouble| format!("{trouble:#}")));
    made.as_deref().map_err(|trouble| anyhow!("{trouble}"))
}

/// Where they are kept: beside what cargo builds.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages")
}
