//! Token bucket (GCRA, ITU-T I.371): allows a burst, then a steady rate.

use std::time::Duration;

/// Rate that a token bucket allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens of a full bucket.
    pub burst: u32,
    /// Time in which one more token comes.
    pub each: Duration,
}

/// Token bucket (GCRA, ITU-T I.371), full at first. Stores only the time at which it is full again (the virtual
/// scheduling algorithm).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBucket {
    full_at: Duration,
}

impl TokenBucket {
    /// Takes one token.
    ///
    /// # Errors
    /// Returns the time until there is one.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + rate.each;
        let room = now + rate.each * rate.burst;
        if full_at > room {
            return Err(full_at - room);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Returns true if the bucket is full.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, each: Duration::from_secs(10) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let mut bucket = TokenBucket::default();
        let taken: Vec<bool> = (0..5).map(|_| bucket.take(RATE, at(100)).is_ok()).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert_eq!(bucket.take(RATE, at(104)), Err(at(6)));
        assert_eq!(bucket.take(RATE, at(110)), Ok(()));
        assert_eq!(bucket.take(RATE, at(110)), Err(at(10)));
    }

    #[test]
    fn a_rest_fills_it_and_no_more_than_that() {
        let mut bucket = TokenBucket::default();
        (0..3).for_each(|_| bucket.take(RATE, at(0)).unwrap());
        assert!(!bucket.is_full(at(29)) && bucket.is_full(at(30)));
        let taken = (0..10).filter(|_| bucket.take(RATE, at(10_000)).is_ok()).count();
        assert_eq!(taken, 3);
    }
}
