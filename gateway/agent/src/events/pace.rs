//! Rate limit of events.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use gateway_api::events::Kind;

/// Burst of events of one kind in one logical switch.
const BURST: u32 = 100;

/// Time in which one more event is allowed.
const EACH: Duration = Duration::from_millis(50);

/// Logical switches that have buckets of their own; further ones share one. This bounds the memory.
const SWITCHES: usize = 16_384;

/// Buckets, one for each kind and logical switch, by the algorithm of [`gateway_base::token_bucket`]. Counts the events
/// that are left out. A host that floods a VLAN with forged sources uses up only the bucket of its own logical switch, at
/// almost no cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// Time at which each bucket is full again (the generic cell rate algorithm, ITU-T I.371 annex A).
    full_at: HashMap<(Kind, u32), Duration>,
    left_out: BTreeMap<Kind, u64>,
}

impl Pace {
    /// Returns true if an event of this kind is allowed at `now`, a moment of a monotonic clock. `vni` is that of the
    /// logical switch, or 0.
    pub(crate) fn admits(&mut self, kind: Kind, vni: u32, now: Duration) -> bool {
        let crowded = self.full_at.len() >= SWITCHES && !self.full_at.contains_key(&(kind, vni));
        let full_at = self.full_at.entry((kind, if crowded { u32::MAX } else { vni })).or_default();
        let next = now.max(*full_at) + EACH;
        if next > now + EACH * BURST {
            *self.left_out.entry(kind).or_default() += 1;
            return false;
        }
        *full_at = next;
        true
    }

    /// Takes the numbers of events that were left out since the last call, if there were any.
    pub(crate) fn left_out(&mut self) -> Option<BTreeMap<Kind, u64>> {
        (!self.left_out.is_empty()).then(|| std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pace: &mut Pace, vni: u32, count: usize, now: Duration) -> usize {
        (0..count).filter(|_| pace.admits(Kind::Learned, vni, now)).count()
    }

    #[test]
    fn a_burst_is_let_in_and_then_so_many_a_second() {
        let mut pace = Pace::default();
        assert_eq!(admitted(&mut pace, 1, 1000, Duration::ZERO), 100);
        assert_eq!(admitted(&mut pace, 1, 1000, Duration::from_secs(1)), 20);
        assert_eq!(admitted(&mut pace, 1, 1000, Duration::from_secs(100)), 100);
    }

    #[test]
    fn left_out_events_are_counted_by_kind_and_reported_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.left_out(), None);
        admitted(&mut pace, 1, 130, Duration::ZERO);
        (0..105).for_each(|_| _ = pace.admits(Kind::Aged, 1, Duration::ZERO));
        assert_eq!(pace.left_out(), Some([(Kind::Learned, 30), (Kind::Aged, 5)].into()));
        assert_eq!(pace.left_out(), None);
    }

    #[test]
    fn a_flood_in_one_switch_takes_nothing_from_another_or_another_kind() {
        let mut pace = Pace::default();
        admitted(&mut pace, 1, 1000, Duration::ZERO);
        assert_eq!(admitted(&mut pace, 2, 50, Duration::ZERO), 50);
        assert!(pace.admits(Kind::Moved, 1, Duration::ZERO));
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_switches() {
        let mut pace = Pace::default();
        (0..100_000)
            .for_each(|vni| assert!(pace.admits(Kind::Learned, vni, Duration::ZERO) || vni as usize >= SWITCHES));
        assert!(pace.full_at.len() <= SWITCHES + Kind::ALL.len());
    }
}
