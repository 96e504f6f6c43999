//! True time, and the clocks of a node.

use std::time::Duration;

use crate::random::Random;

/// True time in nanoseconds since the schedule's beginning. No node knows it.
pub(crate) type Moment = u64;

pub(crate) const MILLISECOND: u64 = 1_000_000;

/// CLOCK_MONOTONIC of one node and, derived from it, the coarse clock its programs read.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    zero: u64,
    /// Its drift, in parts per million; positive if it is too fast.
    drift: i64,
    /// Resolution of the coarse clock.
    pub(crate) tick: u64,
    phase: u64,
}

impl Clock {
    /// Makes a clock that is at most 0.1 % wrong, with any zero.
    pub(crate) fn new(random: &mut Random) -> Self {
        let tick = random.pick(&[1, 4, 4, 10]) * MILLISECOND;
        Self {
            zero: random.within(1_000_000_000..1_000_000_000_000_000),
            drift: random.drift(),
            tick,
            phase: random.within(0..tick),
        }
    }

    pub(crate) fn read(&self, at: Moment) -> Duration {
        let wrong = i128::from(at) * i128::from(self.drift) / 1_000_000;
        Duration::from_nanos(self.zero + (i128::from(at) + wrong) as u64)
    }

    /// Returns the first moment at which the clock reads `time` or more.
    pub(crate) fn when(&self, time: Duration) -> Moment {
        let local = (time.as_nanos() as u64).saturating_sub(self.zero);
        let mut at = (i128::from(local) * 1_000_000 / (1_000_000 + i128::from(self.drift))) as Moment;
        while self.read(at) < time {
            at += 1;
        }
        at
    }

    /// Returns the moment from which on no program takes the time to be below `lease`: the coarse clock's next tick,
    /// and the one after it, until which a CPU may still use its earlier reading.
    pub(crate) fn fenced(&self, lease: Duration) -> Moment {
        let lease = lease.as_nanos() as u64;
        if lease <= self.zero {
            return 0;
        }
        let ticks = (lease + self.phase).div_ceil(self.tick);
        self.when(Duration::from_nanos((ticks + 1) * self.tick - self.phase))
    }
}

impl Random {
    fn drift(&mut self) -> i64 {
        let any = self.within(0..2001) as i64 - 1000;
        self.pick(&[-1000, 0, 1000, any])
    }
}
