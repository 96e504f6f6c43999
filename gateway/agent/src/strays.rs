//! Strays: tunnel packets that arrive at the wrong node, because a neighbour has a stale MAC for the addresses. The
//! standby that receives them reports it and asks the active node to announce the addresses again. Pure.

use std::{collections::BTreeMap, time::Duration};

use gateway_vrrp::{Time, Vrid};

/// Polls in a row after which a count is trusted to grow, or to have stopped. A few packets arrive after each change of
/// roles.
const LOOKS: u8 = 3;
/// Time between two polls.
const APART: Duration = Duration::from_secs(1);
/// Time between two requests. More than [`ANSWER`], so that none comes too early.
const ASK: Duration = Duration::from_secs(6);
/// Minimum time between two requests that the active node follows.
const ANSWER: Duration = Duration::from_secs(5);

/// Strays that arrive at a standby, by virtual router.
#[derive(Debug, Default)]
pub(super) struct Strays(BTreeMap<Vrid, Stray>);

#[derive(Debug)]
struct Stray {
    looked: Time,
    count: u64,
    /// Polls in a row that contradict `stands`.
    contrary: u8,
    /// True if packets keep coming.
    stands: bool,
    asked: Option<Time>,
}

impl Strays {
    /// Takes over the count of packets for a virtual router that is active `elsewhere`, or not. Returns true if the
    /// active node is to be asked to announce its addresses now.
    pub(super) fn poll(&mut self, vrid: Vrid, elsewhere: bool, count: u64, now: Time) -> bool {
        if !elsewhere {
            self.0.remove(&vrid);
            return false;
        }
        let first = Stray { looked: now, count, contrary: 0, stands: false, asked: None };
        let stray = self.0.entry(vrid).or_insert(first);
        if now < stray.looked + APART {
            return false;
        }
        let grown = count != stray.count;
        (stray.looked, stray.count) = (now, count);
        stray.contrary = if grown == stray.stands { 0 } else { stray.contrary + 1 };
        if stray.contrary == LOOKS {
            (stray.contrary, stray.stands) = (0, grown);
        }
        let ask = stray.stands && grown && stray.asked.is_none_or(|asked| now >= asked + ASK);
        if ask {
            stray.asked = Some(now);
        }
        ask
    }

    /// Forgets virtual routers that this node no longer has.
    pub(super) fn retain(&mut self, is: impl Fn(Vrid) -> bool) {
        self.0.retain(|vrid, _| is(*vrid));
    }

    /// Returns true while packets for another node keep coming.
    pub(super) fn stand(&self, vrid: Vrid) -> bool {
        self.0.get(&vrid).is_some_and(|stray| stray.stands)
    }
}

/// Requests of standbys to the active node.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Number of requests, and the time at which one was last followed.
    known: BTreeMap<Vrid, (u64, Option<Time>)>,
}

impl Requests {
    /// Takes over the numbers of requests. Returns the virtual routers whose addresses are to be announced again.
    pub(super) fn take(&mut self, counts: &BTreeMap<Vrid, u64>, now: Time) -> Vec<Vrid> {
        self.known.retain(|vrid, _| counts.contains_key(vrid));
        let mut due = Vec::new();
        for (vrid, count) in counts {
            let (known, followed) = self.known.entry(*vrid).or_default();
            let new = std::mem::replace(known, *count) != *count;
            if new && followed.is_none_or(|followed| now >= followed + ANSWER) {
                *followed = Some(now);
                due.push(*vrid);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VRID: Vrid = Vrid::new(51).unwrap();
    const START: Time = Time::from_secs(1000);

    fn second(number: u64) -> Time {
        START + Duration::from_secs(number)
    }

    /// Polls these counts of a standby each second. Returns for each whether packets keep coming, and whether it
    /// requests.
    fn looks(counts: &[u64]) -> Vec<(bool, bool)> {
        let mut strays = Strays::default();
        let mut look = |(at, count): (u64, &u64)| {
            let asks = strays.poll(VRID, true, *count, second(at));
            (strays.stand(VRID), asks)
        };
        (0..).zip(counts).map(&mut look).collect()
    }

    #[test]
    fn a_few_packets_after_a_change_of_roles_are_not_reported() {
        assert!(looks(&[7, 60, 61, 61, 62, 63, 63]).iter().all(|seen| *seen == (false, false)));
    }

    #[test]
    fn packets_that_keep_coming_are_reported_until_they_stop() {
        let stands: Vec<bool> =
            looks(&[0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 5, 6]).iter().map(|(stands, _)| *stands).collect();
        assert_eq!(stands, [false, false, false, true, true, true, true, true, true, true, false, false]);
    }

    #[test]
    fn the_active_node_is_asked_at_once_and_each_six_seconds_while_they_come() {
        let counts: Vec<u64> = (0..17).collect();
        let asked: Vec<usize> =
            looks(&counts).iter().enumerate().filter(|(_, (_, asks))| *asks).map(|(at, _)| at).collect();
        assert_eq!(asked, [3, 9, 15]);
        assert!(looks(&[0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3])[4..].iter().all(|(_, asks)| !asks));
    }

    #[test]
    fn looks_that_follow_each_other_fast_count_as_one() {
        let mut strays = Strays::default();
        for look in 0..29 {
            let now = START + Duration::from_millis(100) * look;
            assert!(!strays.poll(VRID, true, look.into(), now), "{look}");
        }
        assert!(!strays.stand(VRID));
    }

    #[test]
    fn a_node_that_is_not_a_standby_forgets_what_came() {
        let mut strays = Strays::default();
        for at in 0..4 {
            strays.poll(VRID, true, at, second(at));
        }
        assert!(strays.stand(VRID));
        strays.poll(VRID, false, 5, second(5));
        assert!(!strays.stand(VRID));
        strays.poll(VRID, true, 9, second(6));
        strays.poll(VRID, true, 10, second(7));
        assert!(!strays.stand(VRID), "it counts again from zero");
    }

    #[test]
    fn a_request_is_followed_once_and_no_more_often_than_each_five_seconds() {
        let mut requests = Requests::default();
        let mut take = |at, count: Option<u64>| {
            requests.take(&count.into_iter().map(|count| (VRID, count)).collect(), second(at)) == [VRID]
        };
        assert!(!take(0, None));
        assert!(take(1, Some(1)));
        assert!(!take(10, Some(1)), "nobody has asked again");
        assert!(take(11, Some(2)));
        assert!(!take(15, Some(3)), "too early");
        assert!(!take(16, Some(3)), "what came too early is not kept");
        assert!(take(17, Some(4)));
    }
}
