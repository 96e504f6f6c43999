//! Pace of a kind of transaction: its interval, which grows after failures.

use std::time::Duration;

use gateway_base::backoff::Backoff;

/// Wait after a first failure.
const FIRST: Duration = Duration::from_millis(50);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Interval between transactions, with [`Backoff`] while they fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    not_before: Duration,
    backoff: Backoff,
}

impl Default for Pace {
    fn default() -> Self {
        Self { not_before: Duration::ZERO, backoff: Backoff::new(FIRST, LONGEST) }
    }
}

impl Pace {
    /// Returns true if a transaction may be sent at `now`.
    pub(super) fn is_due(self, now: Duration) -> bool {
        now >= self.not_before
    }

    /// Returns the time at which the next transaction may be sent.
    pub(super) fn due(self) -> Duration {
        self.not_before
    }

    /// Records that a transaction was done. The next one may follow after `interval`.
    pub(super) fn done(&mut self, now: Duration, interval: Duration) {
        self.not_before = now + interval;
        self.backoff.reset();
    }

    /// Records that a transaction failed.
    pub(super) fn failed(&mut self, now: Duration) {
        self.not_before = now + self.backoff.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_while_transactions_fail() {
        let mut pace = Pace::default();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pace.failed(Duration::ZERO);
            pauses.push(pace.due().as_millis());
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
    }

    #[test]
    fn the_first_failure_after_a_success_has_a_short_pause() {
        let mut pace = Pace::default();
        (0..12).for_each(|_| pace.failed(Duration::ZERO));
        pace.done(Duration::ZERO, Duration::ZERO);
        assert!(pace.is_due(Duration::ZERO));
        pace.failed(Duration::ZERO);
        assert_eq!(pace.due(), FIRST);
    }
}
