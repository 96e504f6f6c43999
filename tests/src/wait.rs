//! Waiting for a condition. The only place of the labs that reads a clock or sleeps for it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Time limit for any expected event, on a machine that is busy with other labs.
pub const SOON: Duration = Duration::from_secs(20);

/// Interval of polling a condition.
const STEP: Duration = Duration::from_millis(20);

/// A moment by which a condition must hold.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// Makes a deadline `limit` from now.
    #[expect(clippy::disallowed_methods, reason = "deadlines of labs are real time")]
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Returns the remaining time, `None` once it has passed.
    #[expect(clippy::disallowed_methods, reason = "deadlines of labs are real time")]
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now())
    }
}

/// Stopwatch for reports; no test depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts the stopwatch.
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

thread_local! {
    static IN_VAIN: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if this thread has waited in vain: its test is about to fail.
pub fn in_vain() -> bool {
    IN_VAIN.get()
}

/// Waits until `condition` returns a value.
///
/// # Errors
/// If it does not within `limit`; the error names `what`.
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
/// If it does not within `limit`; the error names `what`.
pub fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_some(what, limit, || condition().then_some(()))
}

/// Sleeps: between two polls, or between two packets of a paced flow.
#[expect(clippy::disallowed_methods, reason = "the step of the waiting loops")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
