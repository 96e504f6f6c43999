//! Rotation over the servers, with growing waits.

use std::time::{Duration, Instant};

use gateway_base::backoff::Backoff;

/// Wait after all servers have failed once.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait, after they have failed many times.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Minimum duration of a good connection.
const GOOD: Duration = Duration::from_secs(10);

/// Rotation over the servers. The next server is tried at once; after each round over all of
/// them there is a wait with jitter ([`Backoff`]), so that the many clients of a server that comes back do not connect
/// at the same time.
#[derive(Debug)]
pub(crate) struct Rotation {
    remotes: usize,
    next: usize,
    /// Servers that have failed in this round.
    failures: usize,
    backoff: Backoff,
}

impl Rotation {
    /// Creates the rotation over `remotes` servers; `seed` is different for each client.
    pub(crate) fn new(remotes: usize, seed: u64) -> Self {
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT).with_jitter(seed);
        Self { remotes, next: 0, failures: 0, backoff }
    }

    /// Returns the index of the server to try now.
    pub(crate) fn remote(&self) -> usize {
        self.next
    }

    /// Records that the server failed. Returns the time at which to try the next one. `lasted` is the time for which
    /// the connection was usable.
    pub(crate) fn failed(&mut self, now: Instant, lasted: Option<Duration>) -> Instant {
        if lasted.is_some_and(|lasted| lasted >= GOOD) {
            self.failures = 0;
            self.backoff.reset();
        }
        self.failures += 1;
        self.next = (self.next + 1) % self.remotes;
        if self.failures < self.remotes {
            return now;
        }
        self.failures = 0;
        now + self.backoff.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do to start from")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_next_server_is_tried_at_once_until_all_have_failed() {
        let (now, mut rotation) = (now(), Rotation::new(3, 7));
        let mut tried = Vec::new();
        for _ in 0..3 {
            tried.push((rotation.remote(), rotation.failed(now, None) > now));
        }
        assert_eq!(tried, [(0, false), (1, false), (2, true)]);
        assert_eq!(rotation.remote(), 0);
    }

    #[test]
    fn waits_grow_to_the_longest() {
        let (now, mut rotation) = (now(), Rotation::new(1, 7));
        for round in 0..40 {
            let longest = FIRST_WAIT.saturating_mul(1 << round.min(16)).min(LONGEST_WAIT);
            let wait = rotation.failed(now, None) - now;
            assert!(wait >= longest / 2 && wait <= longest, "round {round}: {wait:?}");
        }
    }

    #[test]
    fn a_good_connection_resets_the_backoff_and_a_short_one_does_not() {
        let (now, mut rotation) = (now(), Rotation::new(1, 7));
        for _ in 0..10 {
            rotation.failed(now, Some(GOOD / 2));
        }
        assert!(rotation.failed(now, Some(GOOD / 2)) - now >= LONGEST_WAIT / 2);
        assert!(rotation.failed(now, Some(GOOD)) - now <= FIRST_WAIT);
    }

    #[test]
    fn clients_wait_differently() {
        let now = now();
        let waits = |seed| {
            let mut rotation = Rotation::new(1, seed);
            (0..5).map(|_| rotation.failed(now, None)).collect::<Vec<_>>()
        };
        assert_ne!(waits(1 << 40), waits(2 << 40));
    }
}
