//! Time for which the whole machine was suspended.
//!
//! CLOCK_MONOTONIC stands still while a machine is suspended, and CLOCK_BOOTTIME does not (clock_gettime(2)). Their
//! difference is the time of all suspensions since the boot.
//!
//! A virtual machine that its hypervisor pauses is another case: all its clocks stand still.

use std::time::Duration;

use crate::clock;

/// Largest time between two readings of the difference that is not taken for a suspension.
const MARGIN: Duration = Duration::from_millis(1);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// CLOCK_MONOTONIC, read before the other clock.
    pub before: Duration,
    /// CLOCK_BOOTTIME.
    pub boottime: Duration,
    /// CLOCK_MONOTONIC, read after the other clock.
    pub after: Duration,
}

impl Reading {
    /// Reads the clocks.
    pub fn now() -> Self {
        Self { before: clock::monotonic(), boottime: clock::boottime(), after: clock::monotonic() }
    }

    /// Most that the difference of the clocks can be.
    fn most(self) -> Duration {
        self.boottime.saturating_sub(self.before)
    }

    /// Least that the difference of the clocks can be: the thread may have waited for a processor in between.
    fn least(self) -> Duration {
        self.boottime.saturating_sub(self.after)
    }
}

/// Finds suspensions by comparing readings.
#[derive(Clone, Copy, Debug)]
pub struct Suspensions {
    /// Most that the difference of the clocks was when last looked at.
    known: Duration,
}

impl Suspensions {
    /// Starts at a reading.
    pub fn new(reading: Reading) -> Self {
        Self { known: reading.most() }
    }

    /// Returns for how long the machine was suspended since the reading before, or `None` if it was not.
    pub fn slept(&mut self, reading: Reading) -> Option<Duration> {
        let slept = reading.least().saturating_sub(self.known);
        if slept > MARGIN {
            self.known = reading.most();
            return Some(slept);
        }
        // The narrowest reading is the best one.
        self.known = self.known.min(reading.most());
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A reading of a machine that was suspended for `asleep`, by a thread that waited for `waited` in between.
    fn reading(at: u64, asleep: u64, waited: u64) -> Reading {
        Reading { before: ms(at), boottime: ms(at + asleep), after: ms(at + waited) }
    }

    #[test]
    fn a_suspension_is_found_once() {
        let mut suspensions = Suspensions::new(reading(1000, 70, 0));
        assert_eq!(suspensions.slept(reading(2000, 70, 0)), None);
        assert_eq!(suspensions.slept(reading(2001, 2070, 0)), Some(ms(2000)));
        assert_eq!(suspensions.slept(reading(2002, 2070, 0)), None);
    }

    #[test]
    fn a_thread_that_waits_between_two_clocks_is_not_a_suspension() {
        let mut suspensions = Suspensions::new(Reading { boottime: ms(1500), ..reading(1000, 0, 500) });
        // The first reading was off by 500 ms, which the next one corrects.
        assert_eq!(suspensions.slept(reading(2000, 0, 0)), None);
        assert_eq!(suspensions.slept(reading(3000, 0, 400)), None);
        assert_eq!(suspensions.slept(Reading { boottime: ms(4400), ..reading(4000, 0, 400) }), None);
        assert_eq!(suspensions.slept(reading(5000, 100, 0)), Some(ms(100)));
    }

    #[test]
    fn the_running_machine_is_not_suspended() {
        let mut suspensions = Suspensions::new(Reading::now());
        assert!((0..1000).all(|_| suspensions.slept(Reading::now()).is_none()));
    }
}
