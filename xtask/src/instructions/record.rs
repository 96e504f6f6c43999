//! The counts that are checked in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::console::Counts;

/// Counts, and the kernel on which they were counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The kernel, as `uname -r` prints it: helpers are part of it.
    pub(super) kernel: String,
    /// Instructions per packet.
    pub(super) instructions: Counts,
}

impl Record {
    /// Reads the record from its file.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let path = file(root);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    /// Writes the record to its file. Returns the path.
    pub(super) fn write(&self, root: &Path) -> Result<PathBuf> {
        let path = file(root);
        fs::write(&path, self.json()? + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Formats the record as in its file.
    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("cannot put counts into JSON")
    }
}

fn file(root: &Path) -> PathBuf {
    root.join("tests/tests/instructions/record.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_on_file_is_as_it_would_be_written() {
        let root = crate::root();
        let text = fs::read_to_string(file(&root)).unwrap();
        assert_eq!(Record::read(&root).unwrap().json().unwrap() + "\n", text);
    }
}
