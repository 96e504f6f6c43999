//! Admission limits of the control socket, by user.
//!
//! One user must not keep another out, least of all root, so each user has its own limit. A user's forgotten clients
//! must not keep out its next one. So the client that has been idle longest makes room for it.

use std::collections::BTreeMap;

use gateway_vrrp::Time;

/// Clients of root at a time.
pub(crate) const ROOT: usize = 16;

/// Clients of each other user at a time.
pub(crate) const EACH: usize = 4;

/// Clients of all other users together.
pub(crate) const OTHERS: usize = 16;

/// Admitted clients.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    taken: BTreeMap<u64, Seat>,
    next: u64,
}

#[derive(Debug)]
struct Seat {
    uid: u32,
    /// Time since which the client has been idle; `None` while the agent works for it.
    silent_since: Option<Time>,
}

/// Decision on a new client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Admitted with this number.
    Seat(u64),
    /// Admitted in place of the client `of`, which has to leave.
    Instead { seat: u64, of: u64 },
    /// Refused: all clients that could make room are being served.
    Full,
}

impl Admission {
    /// Decides on a new client of user `uid`.
    pub(crate) fn enter(&mut self, uid: u32, now: Time) -> Entry {
        let of = if self.has_room(uid) {
            None
        } else {
            let Some(of) = self.to_go_for(uid) else { return Entry::Full };
            self.taken.remove(&of);
            Some(of)
        };
        let seat = self.next;
        self.next += 1;
        self.taken.insert(seat, Seat { uid, silent_since: Some(now) });
        of.map_or(Entry::Seat(seat), |of| Entry::Instead { seat, of })
    }

    /// Marks a client as served by the agent.
    pub(crate) fn served(&mut self, seat: u64) {
        self.taken.entry(seat).and_modify(|seat| seat.silent_since = None);
    }

    /// Marks a client as idle: it has to send a request or to read its answer.
    pub(crate) fn waited_for(&mut self, seat: u64, now: Time) {
        self.taken.entry(seat).and_modify(|seat| seat.silent_since = Some(now));
    }

    /// Removes a client.
    pub(crate) fn leave(&mut self, seat: u64) {
        self.taken.remove(&seat);
    }

    fn count(&self, of: impl Fn(u32) -> bool) -> usize {
        self.taken.values().filter(|seat| of(seat.uid)).count()
    }

    fn has_room(&self, uid: u32) -> bool {
        match uid {
            0 => self.count(|of| of == 0) < ROOT,
            uid => self.count(|of| of == uid) < EACH && self.count(|of| of != 0) < OTHERS,
        }
    }

    /// Selects the client that has to leave for one of this user: one of its own, or, if others have all the places,
    /// one of the user with the most.
    fn to_go_for(&self, uid: u32) -> Option<u64> {
        let own = self.count(|of| of == uid);
        let of_whom = if uid == 0 || own >= EACH {
            uid
        } else {
            let others = self.taken.values().map(|seat| seat.uid).filter(|of| *of != 0);
            others.max_by_key(|other| (self.count(|of| of == *other), *other == uid))?
        };
        let silent = self.taken.iter().filter(|(_, seat)| seat.uid == of_whom);
        silent.filter_map(|(number, seat)| Some((seat.silent_since?, *number))).min().map(|(_, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Time {
        Duration::from_secs(seconds)
    }

    /// Admits `count` clients of this user, one each second from `from` on. None of them replaces another.
    fn come(admission: &mut Admission, uid: u32, count: usize, from: u64) -> Vec<u64> {
        let entries = (from..).take(count).map(|second| admission.enter(uid, at(second)));
        entries.map(|entry| if let Entry::Seat(seat) = entry { seat } else { panic!("{entry:?}") }).collect()
    }

    #[test]
    fn no_user_keeps_root_out_and_root_keeps_nobody_out() {
        let mut admission = Admission::default();
        for uid in 1000..1004 {
            come(&mut admission, uid, EACH, 0);
        }
        assert_eq!(come(&mut admission, 0, ROOT, 100).len(), ROOT);
        assert!(matches!(admission.enter(1000, at(200)), Entry::Instead { .. }));
    }

    #[test]
    fn a_user_s_own_longest_silent_client_makes_room() {
        let mut admission = Admission::default();
        let first = come(&mut admission, 0, ROOT, 0);
        admission.waited_for(first[0], at(50));
        let Entry::Instead { of, seat } = admission.enter(0, at(60)) else { panic!() };
        assert_eq!(of, first[1]);
        assert_ne!(seat, of);
    }

    #[test]
    fn a_client_that_is_being_served_stays() {
        let mut admission = Admission::default();
        let first = come(&mut admission, 1000, EACH, 0);
        first.iter().for_each(|seat| admission.served(*seat));
        assert_eq!(admission.enter(1000, at(9)), Entry::Full);
        assert!(matches!(admission.enter(1001, at(9)), Entry::Seat(_)));
        admission.leave(first[2]);
        assert!(matches!(admission.enter(1000, at(9)), Entry::Seat(_)));
    }

    #[test]
    fn where_others_have_all_seats_the_user_with_most_gives_one_up() {
        let mut admission = Admission::default();
        for uid in 1000..1003 {
            come(&mut admission, uid, EACH, 0);
        }
        for uid in 1003..1007 {
            come(&mut admission, uid, 1, 0);
        }
        let Entry::Instead { of, .. } = admission.enter(1007, at(9)) else { panic!() };
        assert!(of < 3 * EACH as u64, "{of}");
    }

    #[test]
    fn a_seat_that_was_taken_away_is_not_kept_by_its_late_client() {
        let mut admission = Admission::default();
        let first = come(&mut admission, 1000, EACH, 0);
        let Entry::Instead { of, .. } = admission.enter(1000, at(9)) else { panic!() };
        assert_eq!(of, first[0]);
        admission.waited_for(of, at(10));
        admission.leave(of);
        assert_eq!(admission.taken.len(), EACH);
    }
}
