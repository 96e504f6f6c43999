//! Waiting for something to become true. The only place of the labs that reads a clock or sleeps for it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Long enough for anything that is going to happen, on a machine that is busy with other labs.
pub const SOON: Duration = Duration::from_secs(20);

/// Time between two looks at a condition.
const STEP: Duration = Duration::from_millis(20);

/// A moment by which something has to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// `limit` from now.
    #[expect(clippy::disallowed_methods, reason = "deadlines of labs are real time")]
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Time that is left, `None` once it has passed.
    #[expect(clippy::disallowed_methods, reason = "deadlines of labs are real time")]
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now())
    }
}

/// Time since a moment, to be told; no test depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since then.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

thread_local! {
    static IN_VAIN: Cell<bool> = const { Cell::new(false) };
}

/// True if this thread has waited for something in vain: its test is about to fail.
pub fn in_vain() -> bool {
    IN_VAIN.get()
}

/// Waits until `condition` gives something.
///
/// # Errors
/// When it has not within `limit`; the error names `what`.
pub fn wait_some<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if deadline.left().is_none() {
            IN_VAIN.set(true);
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        pause(STEP);
    }
}

/// Waits until `condition` holds.
///
/// # Errors
/// When it does not within `limit`; the error names `what`.
pub fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_some(what, limit, || condition().then_some(()))
}

/// Lets time pass: between two looks, or between two packets of a paced flow.
#[expect(clippy::disallowed_methods, reason = "the step of the waiting loops")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
