//! Network namespaces for tests. They have no names: each lives as long as the thread or the file that holds it, so
//! nothing is left behind, whatever happens to the test.
#![allow(dead_code, reason = "each test crate uses its part of this module")]

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd},
    process::{Command, Output},
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns, unshare};

/// Another namespace than the thread's own.
pub(crate) struct Netns {
    file: File,
}

impl Netns {
    /// Makes one, with its loopback up.
    pub(crate) fn new() -> Self {
        let file = thread::spawn(|| {
            enter_new();
            File::open("/proc/thread-self/ns/net").unwrap()
        })
        .join()
        .unwrap();
        Self { file }
    }

    /// Returns the path by which `ip link set ... netns` finds it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Moves the thread into it.
    pub(crate) fn enter(&self) {
        setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Runs a program in it; see [`run`].
    pub(crate) fn run(&self, line: &str) -> String {
        self.within(|| run(line))
    }

    /// Does something in it, on a thread of its own.
    pub(crate) fn within<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let outcome = thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
                    what()
                })
                .join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Runs a test in a new namespace, on a thread of its own with a runtime that stays on it.
pub(crate) fn in_new<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let outcome = thread::spawn(move || {
        enter_new();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn enter_new() {
    unshare(CloneFlags::CLONE_NEWNET).expect("this test makes network namespaces, which needs root");
    run("ip link set lo up");
}

/// Runs a program in the thread's namespace: words between spaces. Panics with its output when it fails.
pub(crate) fn run(line: &str) -> String {
    let output = output(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn output(line: &str) -> Output {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap();
    Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Limit of the time that a condition may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
