//! Selects the neighbours that the kernel is requested to keep resolved, and repeats the requests.
//!
//! The single request for it, "use this entry now, and manage it", makes a current kernel (5.16 and later) probe the
//! neighbour and keep it fresh by itself. An older kernel ignores the second half and only probes. Its entry never
//! shows the flag, so the request is repeated, as such a kernel needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::facts::Facts;
use crate::netlink::{ManageRequest, NeighbourKey, NeighbourState};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(8);

/// Requests that were sent for one neighbour.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// The entry was not managed when it was first needed, so this agent has to remove the flag.
    ours: bool,
    next: Instant,
    wait: Duration,
}

/// State of the requests that were sent.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    attempts: BTreeMap<NeighbourKey, Attempt>,
}

impl Keeper {
    /// Returns the requests to send now, given the neighbours that are needed.
    pub(crate) fn plan(&mut self, now: Instant, needed: &BTreeSet<NeighbourKey>, facts: &Facts) -> Vec<ManageRequest> {
        let mut requests = Vec::new();
        self.attempts.retain(|key, attempt| {
            let keep = needed.contains(key);
            if !keep
                && attempt.ours
                && let Some(entry) = facts.neighbour(key)
                && entry.managed
            {
                requests.push(ManageRequest { key: *key, manage: false, ext_learned: entry.ext_learned });
            }
            keep
        });
        for key in needed {
            let entry = facts.neighbour(key);
            // The request would make a permanent entry non-permanent.
            if entry.is_some_and(|entry| entry.state == NeighbourState::Fixed) {
                self.attempts.remove(key);
                continue;
            }
            let managed = entry.is_some_and(|entry| entry.managed);
            let attempt = self.attempts.entry(*key).or_insert(Attempt { ours: !managed, next: now, wait: FIRST_RETRY });
            if managed {
                // If the flag vanishes (the link flapped, the operator replaced the entry), the request is repeated at
                // once.
                *attempt = Attempt { next: now, wait: FIRST_RETRY, ..*attempt };
            } else if attempt.next <= now {
                requests.push(ManageRequest {
                    key: *key,
                    manage: true,
                    ext_learned: entry.is_some_and(|entry| entry.ext_learned),
                });
                *attempt = Attempt { ours: true, next: now + attempt.wait, wait: (attempt.wait * 2).min(LAST_RETRY) };
            }
        }
        requests
    }

    /// Returns the time of the next plan without any notification: that of the next due repetition.
    pub(crate) fn next_due(&self, facts: &Facts) -> Option<Instant> {
        self.attempts
            .iter()
            .filter(|(key, _)| !facts.neighbour(key).is_some_and(|entry| entry.managed))
            .map(|(_, attempt)| attempt.next)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::netlink::{Change, Neighbour};

    const KEY: NeighbourKey = (2, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
    const MANAGE: ManageRequest = ManageRequest { key: KEY, manage: true, ext_learned: false };
    const RELEASE: ManageRequest = ManageRequest { key: KEY, manage: false, ext_learned: false };

    #[expect(clippy::disallowed_methods, reason = "an origin for the times passed to the keeper")]
    fn start() -> Instant {
        Instant::now()
    }

    fn entry(facts: &mut Facts, state: NeighbourState, managed: bool) {
        facts.apply(Change::Neighbour(KEY, Neighbour { state, mac: None, managed, ext_learned: false }));
    }

    #[test]
    fn needed_neighbour_is_asked_for_at_once_and_then_less_and_less_often() {
        let (mut keeper, facts, start) = (Keeper::default(), Facts::default(), start());
        let mut asked = vec![];
        let mut now = start;
        for _ in 0..6 {
            assert_eq!(keeper.plan(now, &[KEY].into(), &facts), [MANAGE]);
            assert_eq!(keeper.plan(now, &[KEY].into(), &facts), [], "asked twice");
            asked.push((now - start).as_secs());
            now = keeper.next_due(&facts).unwrap();
        }
        assert_eq!(asked, [0, 1, 3, 7, 15, 23]);
    }

    #[test]
    fn managed_neighbour_needs_nothing_more() {
        let (mut keeper, mut facts, start) = (Keeper::default(), Facts::default(), start());
        keeper.plan(start, &[KEY].into(), &facts);
        entry(&mut facts, NeighbourState::Pending, true);
        assert_eq!(keeper.plan(start + LAST_RETRY, &[KEY].into(), &facts), []);
        assert_eq!(keeper.next_due(&facts), None);
    }

    #[test]
    fn lost_flag_is_asked_for_at_once() {
        let (mut keeper, mut facts, start) = (Keeper::default(), Facts::default(), start());
        keeper.plan(start, &[KEY].into(), &facts);
        entry(&mut facts, NeighbourState::Valid, true);
        keeper.plan(start, &[KEY].into(), &facts);
        facts.apply(Change::NeighbourGone(KEY));
        assert_eq!(keeper.plan(start, &[KEY].into(), &facts), [MANAGE]);
    }

    #[test]
    fn permanent_entry_is_left_alone() {
        let (mut keeper, mut facts, start) = (Keeper::default(), Facts::default(), start());
        entry(&mut facts, NeighbourState::Fixed, false);
        assert_eq!(keeper.plan(start, &[KEY].into(), &facts), []);
        assert_eq!(keeper.next_due(&facts), None);
    }

    #[test]
    fn flag_is_taken_away_when_no_longer_needed() {
        let (mut keeper, mut facts, start) = (Keeper::default(), Facts::default(), start());
        keeper.plan(start, &[KEY].into(), &facts);
        entry(&mut facts, NeighbourState::Valid, true);
        assert_eq!(keeper.plan(start, &BTreeSet::new(), &facts), [RELEASE]);
        assert_eq!(keeper.plan(start, &BTreeSet::new(), &facts), []);
    }

    #[test]
    fn flag_set_by_another_program_stays() {
        let (mut keeper, mut facts, start) = (Keeper::default(), Facts::default(), start());
        entry(&mut facts, NeighbourState::Valid, true);
        assert_eq!(keeper.plan(start, &[KEY].into(), &facts), []);
        assert_eq!(keeper.plan(start, &BTreeSet::new(), &facts), []);
    }
}
