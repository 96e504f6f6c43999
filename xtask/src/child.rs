//! Runs programs, each in a process group of its own. The group is ended as a whole if it takes too long, if the user
//! interrupts, or if its leader ends and leaves others behind.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::interrupt;

/// Time for output after the program itself has ended: a daemon that inherited the pipe must not hold it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Time for an interrupted program and its children to end.
const GRACE: Duration = Duration::from_secs(5);

/// Result of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It ended by itself.
    Exited(ExitStatus),
    /// It was killed after its time limit.
    TimedOut,
}

/// Where lines for the user go.
#[derive(Debug)]
pub(crate) enum Console {
    /// To standard output, at once.
    Shown,
    /// Into memory, because something else is being shown.
    Kept(Mutex<Vec<u8>>),
}

impl Console {
    pub(crate) fn kept() -> Self {
        Self::Kept(Mutex::default())
    }

    /// Returns what was kept.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Shown => Vec::new(),
            Self::Kept(bytes) => bytes.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Writes one line.
    pub(crate) fn line(&self, line: &str) {
        // A closed output is no reason to stop.
        let _ = writeln!(&mut &*self, "{line}");
    }
}

impl Write for &Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Console::Shown => io::stdout().write(bytes),
            Console::Kept(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Console::Shown => io::stdout().flush(),
            Console::Kept(_) => Ok(()),
        }
    }
}

/// Runs `command`, its output going to standard error; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let output = io::stderr().as_fd().try_clone_to_owned().context("cannot duplicate standard error")?;
    let mut group = Group::start(command.stdout(output))?;
    let status = group.child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs `command` and returns its standard output; an exit code other than 0 is an error.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let shown = shown(command);
    let mut group = Group::start(command.stdout(Stdio::piped()))?;
    let mut bytes = Vec::new();
    if let Some(mut stdout) = group.child.stdout.take() {
        stdout.read_to_end(&mut bytes).with_context(|| format!("cannot read the output of `{shown}`"))?;
    }
    let status = group.child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(bytes)
}

/// Runs `command` for at most `limit`. Copies its standard output to `echo` as it arrives, and passes each line of it
/// to `line`.
pub(crate) fn stream(
    command: &mut Command,
    limit: Duration,
    mut echo: impl Write,
    mut line: impl FnMut(&str),
) -> Result<Ended> {
    enum Event {
        Output(Vec<u8>),
        End,
    }

    let mut group = Group::start(command.stdout(Stdio::piped()))?;
    let (events, received) = mpsc::channel();
    if let Some(mut stdout) = group.child.stdout.take() {
        let events = events.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(size @ 1..) = stdout.read(&mut chunk) {
                if events.send(Event::Output(chunk[..size].to_vec())).is_err() {
                    return;
                }
            }
        });
    }
    let pid = group.pid;
    let waiter = thread::spawn(move || {
        let status = group.child.wait();
        // The reader may still have data: the channel closes only once both threads have ended.
        let _ = events.send(Event::End);
        (group, status)
    });

    let mut deadline = now() + limit;
    let mut timed_out = false;
    let mut pending = Vec::new();
    loop {
        match received.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(Event::Output(chunk)) => {
                // A closed output is no reason to leave the program alone.
                let _ = echo.write_all(&chunk).and_then(|()| echo.flush());
                pending.extend(chunk);
                while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                    let bytes: Vec<u8> = pending.drain(..=end).collect();
                    line(String::from_utf8_lossy(&bytes).trim_end());
                }
            }
            Ok(Event::End) => deadline = now() + LAST_WORDS,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                if waiter.is_finished() {
                    break;
                }
                timed_out = true;
                let _ = killpg(pid, Signal::SIGKILL);
                deadline = now() + LAST_WORDS;
            }
        }
    }
    line(String::from_utf8_lossy(&pending).trim_end());
    match waiter.join() {
        Ok((_, Ok(_))) if timed_out => Ok(Ended::TimedOut),
        Ok((_, status)) => Ok(Ended::Exited(status.with_context(|| format!("cannot wait for `{}`", shown(command)))?)),
        Err(_) => bail!("lost track of `{}`", shown(command)),
    }
}

/// Formats the command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Returns the time, for limits and for reporting durations.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask drives processes; nothing in it decides by a time that could be passed in"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A program and all its descendants.
struct Group {
    child: Child,
    pid: Pid,
}

impl Group {
    fn start(command: &mut Command) -> Result<Self> {
        let mut groups = interrupt::groups();
        if interrupt::happened() {
            bail!("interrupted");
        }
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`", shown(command)))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        groups.push(pid);
        Ok(Self { child, pid })
    }
}

impl Group {
    /// Waits until the processes that were asked to end have ended, because labs have to clean up.
    #[expect(clippy::disallowed_methods, reason = "nothing reports when a process group has become empty")]
    fn wait_until_empty(&mut self) {
        let deadline = now() + GRACE;
        while now() < deadline {
            let leader_gone = !matches!(self.child.try_wait(), Ok(None));
            if leader_gone && killpg(self.pid, None).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if interrupt::happened() {
            self.wait_until_empty();
        }
        let _ = killpg(self.pid, Signal::SIGKILL);
        let _ = self.child.wait();
        interrupt::groups().retain(|&pid| pid != self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn lines_of(script: &str) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended =
            stream(&mut sh(script), Duration::from_secs(60), io::sink(), |line| lines.push(line.to_owned())).unwrap();
        lines.retain(|line| !line.is_empty());
        (ended, lines)
    }

    #[test]
    fn lines_arrive_in_order_and_the_last_needs_no_line_end() {
        assert_eq!(lines_of("echo a; echo b; printf c").1, ["a", "b", "c"]);
    }

    #[test]
    fn the_exit_code_is_returned() {
        let (ended, _) = lines_of("exit 3");
        assert!(matches!(ended, Ended::Exited(status) if status.code() == Some(3)), "{ended:?}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_its_children() {
        let ended = stream(&mut sh("sleep 600 & sleep 600"), Duration::from_millis(50), io::sink(), |_| ()).unwrap();
        assert_eq!(ended, Ended::TimedOut);
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_its_output() {
        assert_eq!(lines_of("sleep 600 & echo done").1, ["done"]);
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(&mut sh("exit 1")).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 1"), "{error}");
    }
}
