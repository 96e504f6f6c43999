//! Detects that another writer undoes the writes of this gateway.

use std::{collections::BTreeMap, time::Duration};

use super::schedule::Schedule;

/// Limit of repeated undos. After it, a thing is left as the other writer wants it.
pub(super) const UNDONE: u32 = 5;
/// Time after which a thing that was not undone again is not contested any more.
const FORGET: Duration = Duration::from_secs(600);

/// Kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// The thing was created, or set.
    Set,
    /// The thing was deleted.
    Delete,
}

/// Counts how often each write had to be repeated. If this gateway writes the same thing twice, and not the opposite in
/// between, another writer has undone it.
#[derive(Debug)]
pub(super) struct Conflicts<T> {
    tallies: BTreeMap<T, Tally>,
    /// Things that are lost, with the time at which each counts as won if it stays correct.
    lost: Schedule<T>,
    /// Time for which a lost thing has to stay correct before it counts as won.
    settled: Duration,
    prune: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    write: Write,
    undone: u32,
    last: Duration,
}

impl<T: Copy + Ord> Conflicts<T> {
    /// Creates an empty record. A lost thing that stays correct for `settled` is not lost any more.
    pub(super) fn new(settled: Duration) -> Self {
        Self { tallies: BTreeMap::new(), lost: Schedule::default(), settled, prune: Duration::ZERO }
    }

    /// Records a write at `now`.
    pub(super) fn done(&mut self, thing: T, write: Write, now: Duration) {
        let undone = match self.tallies.get(&thing) {
            Some(before) if before.write == write && now < before.last + FORGET => before.undone.saturating_add(1),
            _ => 0,
        };
        let tally = Tally { write, undone, last: now };
        if tally.is_lost() {
            self.lost.put(thing, now + self.settled);
        } else {
            self.lost.remove(&thing);
        }
        self.tallies.insert(thing, tally);
    }

    /// Returns true if the thing is lost: another writer keeps undoing it.
    pub(super) fn is_lost(&self, thing: &T) -> bool {
        self.lost.due(thing).is_some()
    }

    /// Records that the thing is still not as it should be.
    pub(super) fn still(&mut self, thing: &T, now: Duration) {
        if let Some(tally) = self.tallies.get_mut(thing) {
            tally.last = now;
            if tally.is_lost() {
                self.lost.put(*thing, now + self.settled);
            }
        }
    }

    /// Returns the lost things.
    pub(super) fn lost(&self) -> impl ExactSizeIterator<Item = &T> {
        self.lost.things()
    }

    /// Returns the largest number of undos among the things that are not lost.
    pub(super) fn undone(&self) -> u32 {
        self.tallies.values().filter(|tally| !tally.is_lost()).map(|tally| tally.undone).max().unwrap_or(0)
    }

    /// Removes the things that have been correct for long enough.
    pub(super) fn prune(&mut self, now: Duration) {
        if self.deadline().is_none_or(|due| now < due) && now < self.prune {
            return;
        }
        self.prune = now + FORGET;
        let settled = self.settled;
        self.tallies.retain(|_, tally| now < tally.last + if tally.is_lost() { settled } else { FORGET });
        while self.lost.pop_due(now).is_some() {}
    }

    /// Returns the earliest time at which a lost thing may count as won.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.lost.deadline()
    }

    /// Removes all records.
    pub(super) fn clear(&mut self) {
        self.tallies.clear();
        self.lost.clear();
    }
}

impl Tally {
    fn is_lost(&self) -> bool {
        self.undone >= UNDONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SETTLED: Duration = Duration::from_secs(60);

    fn conflicts(undone: u32) -> Conflicts<&'static str> {
        let mut conflicts = Conflicts::new(SETTLED);
        (0..=undone).for_each(|second| conflicts.done("ip", Write::Set, SECOND * second));
        conflicts
    }

    #[test]
    fn what_is_undone_again_and_again_is_lost() {
        assert!(!conflicts(UNDONE - 1).is_lost(&"ip"));
        assert!(conflicts(UNDONE).is_lost(&"ip"));
        assert_eq!(conflicts(UNDONE).lost().collect::<Vec<_>>(), [&"ip"]);
    }

    #[test]
    fn what_this_gateway_takes_back_itself_is_not_undone_by_another() {
        let mut conflicts = Conflicts::new(SETTLED);
        for second in 0..100 {
            conflicts.done("mac", if second % 2 == 0 { Write::Set } else { Write::Delete }, SECOND * second);
        }
        assert_eq!((conflicts.is_lost(&"mac"), conflicts.undone()), (false, 0));
    }

    #[test]
    fn what_is_undone_once_in_a_long_while_is_not_lost() {
        let mut conflicts = Conflicts::new(SETTLED);
        (0..100).for_each(|time| conflicts.done("ip", Write::Set, FORGET * time));
        assert!(!conflicts.is_lost(&"ip"));
    }

    #[test]
    fn what_is_as_it_should_be_for_long_enough_is_won() {
        let mut conflicts = conflicts(UNDONE);
        conflicts.still(&"ip", SECOND * 10);
        assert_eq!(conflicts.deadline(), Some(SECOND * 10 + SETTLED));
        conflicts.prune(SECOND * 69);
        assert!(conflicts.is_lost(&"ip"));
        conflicts.prune(SECOND * 70);
        assert_eq!((conflicts.is_lost(&"ip"), conflicts.deadline()), (false, None));
    }
}
