//! A clock that counts instructions, and what it counts when nothing is done.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    additions::{Additions, Kind},
    sample::median,
};

use crate::world::Hook;

/// Additions that must take as many nanoseconds.
const KNOWN: u32 = 1000;

/// Instructions by which that may be wrong: the kernel's nanoseconds are the processor's ticks, scaled.
const ROUNDING: u64 = 1;

/// Test runs of which the middle one counts.
const RUNS: usize = 15;

/// Cost of a test run by itself, which is reading the clock twice and a program that only returns.
#[derive(Debug)]
pub(crate) struct Clock {
    xdp: u64,
    tc: u64,
}

impl Clock {
    /// Looks whether time is counted in instructions here.
    pub(crate) fn find() -> Result<Self> {
        let (xdp, tc) = (time(Kind::Xdp, 0)?, time(Kind::Tc, 0)?);
        let took = time(Kind::Xdp, KNOWN)?.saturating_sub(xdp);
        ensure!(
            took.abs_diff(KNOWN.into()) <= ROUNDING,
            "{KNOWN} instructions took {took} ns: the clock of this machine does not count instructions; \
             `cargo xtask instructions` boots one where it does"
        );
        Ok(Self { xdp, tc })
    }

    /// Instructions of a program at `hook` whose test run took this long.
    pub(crate) fn instructions(&self, hook: Hook, took: Duration) -> u64 {
        let overhead = match hook {
            Hook::Xdp => self.xdp,
            Hook::Tc => self.tc,
        };
        nanoseconds(took).saturating_sub(overhead)
    }
}

fn time(kind: Kind, additions: u32) -> Result<u64> {
    let program = Additions::load(kind, additions)?;
    let runs: Result<Vec<u64>> = (0..RUNS).map(|_| program.run().map(nanoseconds)).collect();
    Ok(median(runs?))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
