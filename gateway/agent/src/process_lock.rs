//! Process lock: keeps a second agent out, because two that write the same maps would undo each other's work.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use thiserror::Error;

/// Name of the lock file in the run directory.
const LOCK: &str = "vtep-gateway.lock";

/// Exclusive right to a run directory, while this value lives. The kernel releases the lock when the process ends, in
/// whatever way, so a crash leaves nothing to clean up.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    _lock: Flock<File>,
}

/// Error that keeps this process from running.
#[derive(Debug, Error)]
pub enum ProcessLockError {
    /// Another agent runs.
    #[error(
        "another vtep-gateway (pid {pid}) runs with run_dir {}; stop it first or set another gateway.run_dir and \
         gateway.pin_dir",
        run_dir.display()
    )]
    Running {
        /// Process id of the other agent; `unknown` if it has not written it yet.
        pid: String,
        /// Run directory of both.
        run_dir: PathBuf,
    },
    /// The run directory or the lock in it cannot be used.
    #[error("cannot {action} {}: {source}; {}", path.display(), hint(source))]
    Unusable {
        /// Action that failed.
        action: &'static str,
        /// Path of the action.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => "the file system is full: make room there, or set another gateway.run_dir",
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit on open files (LimitNOFILE= of the service, `ulimit -n`)",
        Some(libc::EROFS) => "set a gateway.run_dir that can be written to (a service needs it in ReadWritePaths=)",
        Some(libc::EACCES | libc::EPERM) => "run as root, or set another gateway.run_dir",
        _ => "set another gateway.run_dir",
    }
}

impl ProcessLock {
    /// Takes the lock in `run_dir` and writes this process's id into it. Makes the directory (mode 0755) if it does not
    /// exist.
    ///
    /// # Errors
    /// Another process holds the lock, or the directory cannot be used.
    pub(crate) fn acquire(run_dir: &Path) -> Result<Self, ProcessLockError> {
        let path = run_dir.join(LOCK);
        let unusable = |action, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| ProcessLockError::Unusable { action, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o755).create(run_dir).map_err(unusable("create", run_dir))?;
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(&path);
        let file = open.map_err(unusable("open", &path))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((file, Errno::EWOULDBLOCK)) => {
                return Err(ProcessLockError::Running { pid: pid_in(file), run_dir: run_dir.to_owned() });
            }
            Err((_, errno)) => return Err(unusable("lock", &path)(errno.into())),
        };
        // The file stays when the lock is released: removing it would let two processes lock two files of one name.
        write_pid(&mut lock).map_err(unusable("write", &path))?;
        Ok(Self { _lock: lock })
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn pid_in(file: File) -> String {
    let mut text = String::new();
    let _ = file.take(32).read_to_string(&mut text);
    text.trim().parse::<u32>().map_or_else(|_| "unknown".to_owned(), |pid| pid.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use super::*;

    /// Path of one test, removed with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("vtep-gateway-lock-{}-{name}", process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_directory_is_made_and_the_lock_names_the_process() {
        let dir = Scratch::new("fresh");
        let _lock = ProcessLock::acquire(&dir.0.join("a/b")).unwrap();
        let text = fs::read_to_string(dir.0.join("a/b").join(LOCK)).unwrap();
        assert_eq!(text, format!("{}\n", process::id()));
    }

    #[test]
    fn a_second_agent_gets_an_error_that_names_the_first() {
        let dir = Scratch::new("second");
        let _first = ProcessLock::acquire(&dir.0).unwrap();
        assert_eq!(
            ProcessLock::acquire(&dir.0).unwrap_err().to_string(),
            format!(
                "another vtep-gateway (pid {}) runs with run_dir {}; stop it first or set another gateway.run_dir and \
                 gateway.pin_dir",
                process::id(),
                dir.0.display()
            )
        );
    }

    #[test]
    fn the_lock_of_an_ended_agent_is_free() {
        let dir = Scratch::new("again");
        drop(ProcessLock::acquire(&dir.0).unwrap());
        fs::write(dir.0.join(LOCK), "4294967295 and more\n").unwrap();
        let _again = ProcessLock::acquire(&dir.0).unwrap();
        assert_eq!(fs::read_to_string(dir.0.join(LOCK)).unwrap(), format!("{}\n", process::id()));
    }

    #[test]
    fn a_lock_without_a_pid_still_holds() {
        let dir = Scratch::new("empty");
        let _first = ProcessLock::acquire(&dir.0).unwrap();
        fs::write(dir.0.join(LOCK), "").unwrap();
        assert!(matches!(ProcessLock::acquire(&dir.0), Err(ProcessLockError::Running { pid, .. }) if pid == "unknown"));
    }

    #[test]
    fn a_full_file_system_is_reported_as_that_and_not_as_a_lack_of_rights() {
        let unusable = |errno| {
            let source = io::Error::from_raw_os_error(errno);
            ProcessLockError::Unusable { action: "write", path: "/run/x".into(), source }.to_string()
        };
        let full = unusable(libc::ENOSPC);
        assert!(full.contains("No space left") && full.contains("make room") && !full.contains("root"), "{full}");
        assert!(unusable(libc::EACCES).contains("run as root"));
    }

    #[test]
    fn a_directory_that_cannot_be_is_an_error_that_names_it() {
        let error = ProcessLock::acquire(Path::new("/proc/vtep-gateway")).unwrap_err().to_string();
        assert!(error.starts_with("cannot create /proc/vtep-gateway: "), "{error}");
    }
}
