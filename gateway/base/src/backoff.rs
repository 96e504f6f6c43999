//! Exponential backoff: growing waits between attempts, for reconnects and repeated writes.

use std::time::Duration;

/// Exponential backoff: each wait is twice as long as the one before, up to a limit.
///
/// With jitter each wait is shortened by up to a half at random, so that many clients of one server do not try again at
/// the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    jitter: Option<Jitter>,
}

impl Backoff {
    /// Creates a backoff without jitter. It begins with the wait `first` and grows to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first, jitter: None }
    }

    /// Adds jitter. `seed` should differ between clients.
    #[must_use]
    pub const fn with_jitter(self, seed: u64) -> Self {
        Self { jitter: Some(Jitter(seed)), ..self }
    }

    /// Returns the time to wait after one more failure.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.longest);
        self.jitter.as_mut().map_or(wait, |jitter| jitter.shorten(wait))
    }

    /// Begins with the first wait again, because an attempt has succeeded.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Pseudo-random numbers: Marsaglia's xorshift of 64 bits ("Xorshift RNGs", 2003).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jitter(u64);

impl Jitter {
    /// Shortens a wait by up to a half.
    fn shorten(&mut self, wait: Duration) -> Duration {
        let share = self.draw() as f64 / u64::MAX as f64;
        wait.mul_f64(0.5 + share / 2.0)
    }

    /// Returns the next number. The sequence can't start from zero, and never reaches it.
    fn draw(&mut self) -> u64 {
        self.0 |= u64::from(self.0 == 0);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let waits: Vec<u128> = (0..6).map(|_| backoff.wait().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn the_first_wait_follows_a_reset() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for _ in 0..6 {
            backoff.wait();
        }
        backoff.reset();
        assert_eq!(backoff.wait(), FIRST);
    }

    #[test]
    fn jitter_shortens_a_wait_by_a_half_at_most() {
        let (mut plain, mut jittered) = (Backoff::new(FIRST, LONGEST), Backoff::new(FIRST, LONGEST).with_jitter(0));
        for _ in 0..100 {
            let (longest, wait) = (plain.wait(), jittered.wait());
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} of {longest:?}");
        }
    }

    #[test]
    fn clients_with_different_seeds_wait_differently() {
        let waits = |seed| {
            let mut backoff = Backoff::new(FIRST, LONGEST).with_jitter(seed);
            (0..5).map(|_| backoff.wait()).collect::<Vec<_>>()
        };
        assert_ne!(waits(1 << 40), waits(2 << 40));
    }
}
