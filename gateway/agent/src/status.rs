//! Status file of the agent: `<run_dir>/status.json`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use serde::Serialize;

const NAME: &str = "status.json";

/// Status file, removed with the agent. Users of the control socket may read it.
#[derive(Debug)]
pub(super) struct StatusFile {
    path: PathBuf,
    /// Number of the group that may read it, if there is one.
    group: Option<u32>,
    written: String,
    failed: bool,
}

impl StatusFile {
    /// Makes a status file in `run_dir`, which is not written yet.
    pub(super) fn new(run_dir: &Path, group: Option<u32>) -> Self {
        Self { path: run_dir.join(NAME), group, written: String::new(), failed: false }
    }

    /// Writes `status`, if it has changed. Readers see the old or the new status, never a part.
    pub(super) fn write(&mut self, status: &impl Serialize) {
        let Ok(mut text) = serde_json::to_string_pretty(status) else { return };
        text.push('\n');
        if text == self.written {
            return;
        }
        match replace(&self.path, self.group, &text) {
            Ok(()) => (self.written, self.failed) = (text, false),
            Err(error) => {
                if !self.failed {
                    tracing::warn!("{}: {error}; the status can't be looked up", self.path.display());
                }
                self.failed = true;
            }
        }
    }
}

impl Drop for StatusFile {
    fn drop(&mut self) {
        // A file that remains would describe an agent that does not run.
        let _ = fs::remove_file(&self.path);
    }
}

fn replace(path: &Path, group: Option<u32>, text: &str) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    if let Some(group) = group {
        fchown(&file, None, Some(group))?;
    }
    file.set_permissions(fs::Permissions::from_mode(if group.is_some() { 0o640 } else { 0o600 }))?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_file_holds_the_last_status_and_goes_with_its_writer() {
        let dir = std::env::temp_dir().join(format!("vtep-gateway-status-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut file = StatusFile::new(&dir, None);
        file.write(&json!({ "macs": 1 }));
        file.write(&json!({ "macs": 2 }));
        let read: Value = serde_json::from_str(&fs::read_to_string(dir.join(NAME)).unwrap()).unwrap();
        assert_eq!(read, json!({ "macs": 2 }));
        assert_eq!(fs::metadata(dir.join(NAME)).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!dir.join(NAME).exists());
        fs::remove_dir(&dir).unwrap();
    }
}
