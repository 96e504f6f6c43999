//! How much a VLAN or a tunnel may make the gateway do besides forwarding: learn, move, tell. One tenant can't take what all
//! share: time of the agent, room for events, and what the programs remember of flows.

use bytemuck::{Pod, Zeroable};

use crate::{
    fdb::{self, Target},
    limits::{MAX_BINDINGS, MAX_TUNNELS},
};

/// How often something may happen: once in `each` on average, and for `burst` ahead of time. Both are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time that each costs.
    pub each: u64,
    /// Time that may be owed.
    pub burst: u64,
}

impl Rate {
    /// `count` in a second, and at once as many as in `seconds`.
    const fn a_second(count: u64, seconds: u64) -> Self {
        Self { each: 1_000_000_000 / count, burst: seconds * 1_000_000_000 }
    }
}

/// What there is a budget for.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// A MAC is learned: 1000 a second, 4000 at once.
    Learn,
    /// A learned MAC moves, which outdates all that is remembered of flows: 100 a second, 500 at once.
    Move,
    /// The agent is told of a station's IP address: 100 a second, 1000 at once.
    Snoop,
}

impl Spent {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Learn, Self::Move, Self::Snoop];

    /// How often.
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
    /// By [`Spent`]: until when time is used up, CLOCK_MONOTONIC_COARSE nanoseconds.
    pub used: [u64; 3],
    /// By [`Spent`]: how often the budget was found used up.
    pub refused: [u64; 3],
}

/// Elements of map `budgets`.
pub const BUDGETS: u32 = MAX_BINDINGS + MAX_TUNNELS;

/// Index in map `budgets` of binding number `id`.
#[inline(always)]
pub const fn of_binding(id: u32) -> u32 {
    id
}

/// Index in map `budgets` of tunnel number `id`.
#[inline(always)]
pub const fn of_tunnel(id: u32) -> u32 {
    MAX_BINDINGS + id
}

/// Index in map `budgets` of who sends from `here`.
#[inline(always)]
pub const fn place(here: &Target) -> u32 {
    if here.kind == fdb::LOCAL { of_binding(here.binding) } else { of_tunnel(here.out) }
}

/// Until when time is used up, once one more has happened at `now`; nothing if the budget does not allow it. (The generic
/// cell rate algorithm, as a virtual scheduler: ITU-T I.371 annex A.)
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

    /// How many of `tries`, one each `gap`, are allowed.
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
