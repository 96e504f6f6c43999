//! Schedule of things, each with the time at which it is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Things with their due times. Finding the earliest one compares none of them, however many there are, and every change
/// takes logarithmic time.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    due: BTreeMap<T, Duration>,
    /// The same, in order of time.
    queue: BTreeSet<(Duration, T)>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), queue: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Schedule<T> {
    /// Schedules `thing` for `due`. This replaces an earlier time of the same thing.
    pub(super) fn put(&mut self, thing: T, due: Duration) {
        if let Some(before) = self.due.insert(thing, due) {
            self.queue.remove(&(before, thing));
        }
        self.queue.insert((due, thing));
    }

    /// Removes `thing`, if it is scheduled.
    pub(super) fn remove(&mut self, thing: &T) {
        if let Some(due) = self.due.remove(thing) {
            self.queue.remove(&(due, *thing));
        }
    }

    /// Removes the earliest thing that is due at `now`, and returns it.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<T> {
        let (due, thing) = *self.queue.first()?;
        if due > now {
            return None;
        }
        self.remove(&thing);
        Some(thing)
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.queue.clear();
    }

    /// Returns the earliest due time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// Returns the due time of `thing`, if it is scheduled.
    pub(super) fn due(&self, thing: &T) -> Option<Duration> {
        self.due.get(thing).copied()
    }

    /// Returns all things, in their own order.
    pub(super) fn things(&self) -> impl ExactSizeIterator<Item = &T> {
        self.due.keys()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, cmp::Ordering};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MANY: u32 = 100_000;

    thread_local! {
        static COMPARISONS: Cell<u32> = const { Cell::new(0) };
    }

    /// Thing whose comparisons are counted.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Counted(u32);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    /// Returns a schedule of many things that are all due at one time, so that the order of the queue needs them too.
    fn many() -> Schedule<Counted> {
        let mut schedule = Schedule::default();
        (0..MANY).for_each(|number| schedule.put(Counted(number), SECOND));
        schedule
    }

    fn comparisons<T>(of: impl FnOnce() -> T) -> u32 {
        COMPARISONS.set(0);
        of();
        COMPARISONS.get()
    }

    #[test]
    fn the_deadline_needs_no_comparison_however_many_things_are_scheduled() {
        let mut schedule = many();
        assert_eq!(comparisons(|| assert_eq!(schedule.deadline(), Some(SECOND))), 0);
        assert_eq!(comparisons(|| assert_eq!(schedule.pop_due(SECOND / 2), None)), 0);
    }

    #[test]
    fn a_change_needs_logarithmically_many_comparisons() {
        let mut schedule = many();
        // Each of the two trees is searched at most twice, in at most 11 comparisons for each of its levels.
        let limit = 4 * 11 * (MANY.ilog2() / 6_u32.ilog2());
        for number in [0, 1, MANY / 3, MANY - 1, MANY] {
            let put = comparisons(|| schedule.put(Counted(number), SECOND));
            let popped = comparisons(|| assert!(schedule.pop_due(SECOND).is_some()));
            assert!(put.max(popped) <= limit, "{put} and {popped} of {limit}");
        }
    }

    #[test]
    fn things_are_due_in_order_of_their_latest_time() {
        let mut schedule = Schedule::default();
        schedule.put("a", SECOND);
        schedule.put("b", SECOND * 2);
        schedule.put("a", SECOND * 3);
        assert_eq!(
            (schedule.things().len(), schedule.deadline(), schedule.due(&"a")),
            (2, Some(SECOND * 2), Some(SECOND * 3))
        );
        assert_eq!(schedule.pop_due(SECOND), None);
        assert_eq!((schedule.pop_due(SECOND * 3), schedule.pop_due(SECOND * 3)), (Some("b"), Some("a")));
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_removed_thing_is_never_due() {
        let mut schedule = Schedule::default();
        schedule.put("a", SECOND);
        schedule.remove(&"a");
        assert_eq!((schedule.pop_due(Duration::MAX), schedule.deadline()), (None, None));
    }
}
