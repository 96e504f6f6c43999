//! The timestamp of files in a package: <https://reproducible-builds.org/specs/source-date-epoch/>.

use std::{env, fs, path::Path, process::Command, time::UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::child;

/// Returns the timestamp in seconds since 1970: `SOURCE_DATE_EPOCH`, else the time of the last commit, else the time of
/// the change log.
pub(super) fn find(root: &Path) -> Result<u64> {
    if let Ok(text) = env::var("SOURCE_DATE_EPOCH") {
        return text.parse().with_context(|| format!("SOURCE_DATE_EPOCH: expected seconds since 1970, found {text:?}"));
    }
    let mut git = Command::new("git");
    git.current_dir(root).args(["log", "-1", "--format=%ct"]);
    if let Some(committed) =
        child::output(&mut git).ok().and_then(|output| String::from_utf8_lossy(&output).trim().parse().ok())
    {
        return Ok(committed);
    }
    let log = root.join("CHANGELOG.md");
    let changed =
        fs::metadata(&log).and_then(|log| log.modified()).with_context(|| format!("reading {}", log.display()))?;
    Ok(changed.duration_since(UNIX_EPOCH)?.as_secs())
}

/// Formats the time as in a Debian changelog.
pub(super) fn rfc_2822(epoch: u64) -> Result<String> {
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["--utc", "--rfc-email", &format!("--date=@{epoch}")]);
    Ok(String::from_utf8_lossy(&child::output(&mut date)?).trim().to_owned())
}
