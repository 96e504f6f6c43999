//! Commands: run to their end, or started and ended with their owner.

use std::{
    fs::{self, File},
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait::wait_some;

/// Time limit of a command of a lab.
const LIMIT: &str = "90";

/// Runs `words` to the end.
///
/// # Errors
/// If the program is not there, or it did not succeed; the error carries what it wrote.
pub fn run(words: &[&str]) -> Result<Output> {
    let output = attempt(words)?;
    if !output.status.success() {
        bail!(
            "`{}`: {}\n{}{}",
            words.join(" "),
            ending(output.status),
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(output)
}

/// Runs `words` to the end, and accepts any result.
///
/// # Errors
/// If the program could not be started.
pub fn attempt(words: &[&str]) -> Result<Output> {
    let limited = [&["timeout", "-k", "5", LIMIT], words].concat();
    command(&limited).output().with_context(|| format!("starting `{}`", words.join(" ")))
}

/// Returns all that a command printed: its output, then its errors.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Keeps inherited descriptors, except the three streams, from the processes that this process starts: a daemon that is
/// left running must not hold a lock or a pipe of the caller of the demo.
///
/// # Errors
/// If the system does not list the open descriptors.
pub fn inherit_nothing() -> Result<()> {
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        let number: i32 = entry.file_name().to_string_lossy().parse()?;
        if number > 2 {
            // SAFETY: the number is only passed to fcntl(2), which fails if nothing is open under it any more.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            match fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
                // The listing itself.
                Ok(_) | Err(Errno::EBADF) => {}
                Err(error) => return Err(error).context("closing what was inherited"),
            }
        }
    }
    Ok(())
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(124 | 137) => format!("still running after {LIMIT} s"),
        Some(127) => "no such program; `cargo xtask setup` installs what is missing".into(),
        _ => status.to_string(),
    }
}

/// A command that runs until its owner drops it. Its output goes to a file, so it can also outlive its owner.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Length of the file before this process.
    before: usize,
    left: bool,
}

impl Process {
    /// Starts `words`; its output, on both streams, is appended to the file `log`.
    ///
    /// # Errors
    /// If the program could not be started.
    pub fn start(words: &[&str], log: &Path) -> Result<Self> {
        let name = words.join(" ");
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("opening {} for what `{name}` writes", log.display()))?;
        let before = usize::try_from(file.metadata()?.len())?;
        let child = command(words)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting `{name}`"))?;
        Ok(Self { name, child, log: log.into(), before, left: false })
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its output so far.
    pub fn log(&self) -> String {
        let written = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(written.get(self.before..).unwrap_or_default()).into_owned()
    }

    /// Returns the number of lines of its output so far: a mark from which to look for later ones.
    pub fn mark(&self) -> usize {
        self.log().lines().count()
    }

    /// Returns the first line from `mark` on that `wanted` accepts.
    ///
    /// # Errors
    /// If none arrives within `limit`, or none can arrive any more. The error contains all lines.
    pub fn wait_line(&mut self, mark: usize, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut ended = None;
        let line = wait_some("a line in its log", limit, || {
            // Checked before the log is read, so that the last lines of a process that ends are not missed.
            ended = self.child.try_wait().ok().flatten();
            let line = self.log().lines().skip(mark).find(|line| wanted(line)).map(String::from);
            (line.is_some() || ended.is_some()).then_some(line)
        });
        match (line, ended) {
            (Ok(Some(line)), _) => Ok(line),
            (Ok(None), Some(status)) => bail!("`{}` has ended: {}\n{}", self.name, ending(status), self.log()),
            _ => bail!("`{}` did not write the line waited for:\n{}", self.name, self.log()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("`{}` has ended: {}\n{}", self.name, ending(status), self.log());
        }
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Returns true until it has ended.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it is still running after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of `{}`", self.name);
        wait_some(&what, limit, || self.child.try_wait().ok().flatten())
            .with_context(|| format!("what it wrote:\n{}", self.log()))
    }

    /// Lets it run on when this handle is dropped.
    pub fn leave(&mut self) {
        self.left = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.left {
            // Both fail only if it has ended already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
