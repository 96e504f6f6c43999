//! Budgets of a VLAN or a tunnel for learning, MAC moves and snooping, so that one tenant can't use up what all share:
//! CPU time of the agent, room in the ring buffer, the flow cache.
//!
//! Each budget is a token bucket (GCRA, ITU-T I.371 annex A), like `gateway_base::token_bucket` in user space. Only the
//! time at which the bucket is full again is stored.

use bytemuck::{Pod, Zeroable};

use crate::{
    fdb::{self, Target},
    limits::{MAX_BINDINGS, MAX_TUNNELS},
};

/// Rate of a token bucket: one event per `each` on average, and `burst` ahead of time. Both are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time that one event costs.
    pub each: u64,
    /// Time that events may be ahead of the average.
    pub burst: u64,
}

impl Rate {
    /// `count` events a second, with a burst of `seconds` worth of events.
    const fn a_second(count: u64, seconds: u64) -> Self {
        Self { each: 1_000_000_000 / count, burst: seconds * 1_000_000_000 }
    }
}

/// Events that have a budget.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Learning a MAC: 1000 a second, burst 4000.
    Learn,
    /// Move of a learned MAC, which invalidates the flow cache: 100 a second, burst 500.
    Move,
    /// Report of a station's IP address to the agent: 100 a second, burst 1000.
    Snoop,
}

impl Spent {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Learn, Self::Move, Self::Snoop];

    /// Rate of the token bucket.
    pub const fn rate(self) -> Rate {
        match self {
            Self::Learn => Rate::a_second(1000, 4),
            Self::Move => Rate::a_second(100, 5),
            Self::Snoop => Rate::a_second(100, 10),
        }
    }
}

/// Value of map `budgets`, indexed by [`place`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Budget {
    /// By [`Spent`]: time at which the bucket is full again, CLOCK_MONOTONIC_COARSE nanoseconds.
    pub used: [u64; 3],
    /// By [`Spent`]: events refused because the bucket was empty.
    pub refused: [u64; 3],
}

/// Elements of map `budgets`.
pub const BUDGETS: u32 = MAX_BINDINGS + MAX_TUNNELS;

/// Index in map `budgets` of binding `id`.
#[inline(always)]
pub const fn of_binding(id: u32) -> u32 {
    id
}

/// Index in map `budgets` of tunnel `id`.
#[inline(always)]
pub const fn of_tunnel(id: u32) -> u32 {
    MAX_BINDINGS + id
}

/// Index in map `budgets` of the binding or tunnel `here`.
#[inline(always)]
pub const fn place(here: &Target) -> u32 {
    if here.kind == fdb::LOCAL { of_binding(here.binding) } else { of_tunnel(here.out) }
}

/// Takes a token at `now`: returns the new time at which the bucket is full again, or `None` if the bucket is empty.
/// (GCRA as a virtual scheduler, ITU-T I.371 annex A.)
#[inline(always)]
pub const fn spend(used: u64, now: u64, rate: Rate) -> Option<u64> {
    let from = if used > now { used } else { now };
    if from - now > rate.burst { None } else { Some(from + rate.each) }
}

crate::map_types!(Budget);

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { each: 10, burst: 100 };

    /// Number of `tries`, one each `gap`, that are allowed.
    fn allowed(tries: u64, gap: u64) -> u64 {
        let (mut used, mut count) = (0, 0);
        for at in 0..tries {
            if let Some(until) = spend(used, 1000 + at * gap, RATE) {
                (used, count) = (until, count + 1);
            }
        }
        count
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        assert_eq!(allowed(1000, 0), 11);
        assert_eq!(allowed(1000, 1), 11 + 1000 / 10 - 1);
    }

    #[test]
    fn who_keeps_to_the_rate_is_never_refused() {
        assert_eq!(allowed(10_000, 10), 10_000);
    }

    #[test]
    fn places_of_bindings_and_tunnels_differ_and_have_room() {
        let last = place(&Target::local(1, 1, MAX_BINDINGS - 1));
        assert_eq!(place(&Target::remote(0, 5001)), last + 1);
        assert_eq!(place(&Target::remote(MAX_TUNNELS - 1, 5001)) + 1, BUDGETS);
    }
}
