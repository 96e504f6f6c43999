//! Outage, computed from numbered packets: its duration, the lost packets, and the duplicates.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::RangeInclusive,
    time::Duration,
};

/// Arrival of packet `number`, by the receiver's clock; the same clock for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Counted from 0 by the sender.
    pub number: u64,
    /// Time of reception by the kernel, since 1970.
    pub at: Duration,
}

/// Result of the packets of one sender at one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets sent.
    pub sent: u64,
    /// Packets that did not arrive.
    pub lost: u64,
    /// The longest time from one arrival to the next of a later packet, with at least one lost between; zero if none
    /// was. A stalled sender causes no such gap, nor does a stalled receiver.
    pub gap: Duration,
    /// Arrivals of further copies of packets, in order.
    pub doubles: Vec<Duration>,
}

impl Tally {
    /// Counts the packets 0 to `sent`.
    pub fn new(sent: u64, arrivals: &[Arrival]) -> Self {
        let mut first = BTreeMap::<u64, Duration>::new();
        let mut doubles = Vec::new();
        let mut ordered: Vec<&Arrival> = arrivals.iter().filter(|arrival| arrival.number < sent).collect();
        ordered.sort_by_key(|arrival| arrival.at);
        for arrival in ordered {
            match first.entry(arrival.number) {
                Entry::Vacant(place) => {
                    place.insert(arrival.at);
                }
                Entry::Occupied(_) => doubles.push(arrival.at),
            }
        }
        let pairs = first.iter().zip(first.iter().skip(1));
        let gaps = pairs.filter(|((before, _), (after, _))| *before + 1 < **after);
        let gap = gaps.map(|((_, before), (_, after))| after.saturating_sub(*before)).max().unwrap_or_default();
        Self { sent, lost: sent - first.len() as u64, gap, doubles }
    }
}

/// Result of all probes between two hosts; `out` is towards the outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Unicast from the VM to the outside host.
    pub out: Tally,
    /// Unicast from the outside host to the VM.
    pub back: Tally,
    /// Broadcasts from the VM.
    pub broadcast_out: Tally,
    /// Broadcasts from the outside host.
    pub broadcast_back: Tally,
    /// Times at which a sender received a packet of its own, in order.
    pub reflections: Vec<Duration>,
}

impl Report {
    /// Returns the longer outage of the two directions, of unicast.
    pub fn outage(&self) -> Duration {
        self.out.gap.max(self.back.gap)
    }

    /// Returns the number of unicast packets lost, in both directions.
    pub fn lost(&self) -> u64 {
        self.out.lost + self.back.lost
    }

    /// Returns the number of copies beyond the first of all packets, unicast and broadcast.
    pub fn doubles(&self) -> usize {
        self.all_doubles().count()
    }

    /// Returns the arrival of the last packet that should not have arrived: one more copy, or a reflection.
    pub fn last_stray(&self) -> Option<Duration> {
        self.all_doubles().chain(&self.reflections).max().copied()
    }

    /// Returns the number of copies and reflections within a time.
    pub fn strays(&self, within: RangeInclusive<Duration>) -> usize {
        self.all_doubles().chain(&self.reflections).filter(|at| within.contains(at)).count()
    }

    fn all_doubles(&self) -> impl Iterator<Item = &Duration> {
        [&self.out, &self.back, &self.broadcast_out, &self.broadcast_back].into_iter().flat_map(|tally| &tally.doubles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Makes the tally of `sent` packets, one each millisecond, of which those in `arrive` arrive.
    fn tally(sent: u64, arrive: impl IntoIterator<Item = u64>) -> Tally {
        let arrivals: Vec<Arrival> =
            arrive.into_iter().map(|number| Arrival { number, at: ms(1000 + number) }).collect();
        Tally::new(sent, &arrivals)
    }

    #[test]
    fn a_whole_flow_has_neither_gap_nor_loss() {
        assert_eq!(tally(100, 0..100), Tally { sent: 100, ..Tally::default() });
    }

    #[test]
    fn the_longest_gap_is_from_the_last_before_to_the_first_after() {
        let tally = tally(100, (0..10).chain(12..50).chain(75..100));
        assert_eq!((tally.lost, tally.gap), (2 + 25, ms(26)));
    }

    #[test]
    fn a_pause_in_which_nothing_is_lost_is_no_outage() {
        let late = |number: u64| Arrival { number, at: ms(if number < 5 { number } else { number + 400 }) };
        let arrivals: Vec<Arrival> = (0..10).map(late).collect();
        assert_eq!(Tally::new(10, &arrivals).gap, Duration::ZERO);
    }

    #[test]
    fn what_is_lost_at_either_end_counts_as_lost_and_makes_no_gap() {
        let tally = tally(10, 3..8);
        assert_eq!((tally.lost, tally.gap), (5, Duration::ZERO));
    }

    #[test]
    fn each_further_copy_is_a_double_and_nothing_else() {
        let arrivals = [(0, 1), (1, 2), (1, 3), (2, 4), (1, 5)].map(|(number, at)| Arrival { number, at: ms(at) });
        let tally = Tally::new(3, &arrivals);
        assert_eq!((tally.lost, tally.gap, tally.doubles), (0, Duration::ZERO, vec![ms(3), ms(5)]));
    }

    #[test]
    fn packets_that_overtake_each_other_are_not_lost() {
        let arrivals = [(0, 1), (2, 2), (1, 3), (3, 4)].map(|(number, at)| Arrival { number, at: ms(at) });
        assert_eq!(Tally::new(4, &arrivals), Tally { sent: 4, ..Tally::default() });
    }

    #[test]
    fn a_report_sums_up_both_directions_and_casts() {
        let tally = |gap, lost, doubles: &[u64]| Tally {
            sent: 9,
            lost,
            gap: ms(gap),
            doubles: doubles.iter().copied().map(ms).collect(),
        };
        let report = Report {
            out: tally(5, 4, &[]),
            back: tally(7, 6, &[20]),
            broadcast_out: tally(100, 1, &[30, 31]),
            broadcast_back: tally(0, 0, &[]),
            reflections: vec![ms(40)],
        };
        assert_eq!((report.outage(), report.lost(), report.doubles()), (ms(7), 10, 3));
        assert_eq!(report.last_stray(), Some(ms(40)));
        assert_eq!(report.strays(ms(21)..=ms(35)), 2);
    }
}
