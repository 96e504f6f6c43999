//! TX timestamps: determines which advertisements have been transmitted. This is the table of advertisements in flight.
//!
//! The kernel counts the packets of a socket, and reports the number of each transmitted packet
//! (`SOF_TIMESTAMPING_OPT_ID`). After a failed send it is unknown whether the packet was counted, so the count is
//! restarted. Packets that are pending at that time have a number of the old count.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use gateway_vrrp::{Time, Token};

/// The most advertisements in flight. A queue that still moves can't hold more for an interval.
const MAX_IN_FLIGHT: usize = 64;

/// The transmission of one advertisement of a [`gateway_vrrp::Machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// The token under which the machine knows the advertisement.
    pub token: Token,
    /// Time that was read before the advertisement was handed to the kernel.
    pub started: Time,
}

/// One advertisement in flight.
#[derive(Debug)]
struct Pending {
    /// `None`: one copy was refused, so this never counts as transmitted.
    transmission: Option<Transmission>,
    /// The kernel has taken all its copies.
    whole: bool,
    /// Copies that were not transmitted yet: number and destination.
    copies: BTreeMap<u32, IpAddr>,
}

/// Tracks advertisements from sending to transmission.
#[derive(Debug, Default)]
pub(super) struct TxTimestamps {
    next_key: u32,
    in_flight: VecDeque<Pending>,
    /// Numbers of the old count, and how often each may still be reported.
    old: BTreeMap<u32, u32>,
    completed: VecDeque<Transmission>,
}

impl TxTimestamps {
    /// Starts a new advertisement.
    pub(super) fn begin(&mut self, transmission: Transmission) {
        self.push(Some(transmission));
    }

    fn push(&mut self, transmission: Option<Transmission>) {
        self.in_flight.push_back(Pending { transmission, whole: false, copies: BTreeMap::new() });
        if self.in_flight.len() > MAX_IN_FLIGHT {
            self.in_flight.pop_front();
        }
    }

    /// Records that the kernel took a copy of the newest advertisement.
    pub(super) fn copy(&mut self, to: IpAddr) {
        if let Some(newest) = self.in_flight.back_mut() {
            newest.copies.insert(self.next_key, to);
            self.next_key = self.next_key.wrapping_add(1);
        }
    }

    /// Records that the kernel took all copies of the newest advertisement.
    pub(super) fn whole(&mut self) {
        if let Some(newest) = self.in_flight.back_mut() {
            newest.whole = true;
            let at = self.in_flight.len() - 1;
            self.complete(at);
        }
    }

    /// Records that the kernel refused a copy and the count restarts. The newest advertisement never becomes complete.
    pub(super) fn failed(&mut self) {
        for key in self.in_flight.drain(..).flat_map(|sent| sent.copies.into_keys()) {
            *self.old.entry(key).or_default() += 1;
        }
        while self.old.len() > MAX_IN_FLIGHT {
            self.old.pop_first();
        }
        self.next_key = 0;
        self.push(None);
    }

    /// Returns the copies of this advertisement that were not transmitted: number and destination.
    pub(super) fn missing(&self, transmission: Transmission) -> Vec<(u32, IpAddr)> {
        let sent = self.in_flight.iter().filter(|sent| sent.transmission == Some(transmission));
        sent.flat_map(|sent| &sent.copies).map(|(key, to)| (*key, *to)).collect()
    }

    /// Records that a packet was transmitted, or that its destination can't be reached.
    pub(super) fn departed(&mut self, key: u32) {
        if let Some(count) = self.old.get_mut(&key) {
            // It is unknown which of the two packets this was. Taking it for the older one is safe.
            *count -= 1;
            if *count == 0 {
                self.old.remove(&key);
            }
        } else if let Some(at) = self.in_flight.iter_mut().position(|sent| sent.copies.remove(&key).is_some()) {
            self.complete(at);
        }
    }

    /// Returns the next advertisement of which all copies were transmitted.
    pub(super) fn next(&mut self) -> Option<Transmission> {
        self.completed.pop_front()
    }

    fn complete(&mut self, at: usize) {
        if self.in_flight[at].whole
            && self.in_flight[at].copies.is_empty()
            && let Some(sent) = self.in_flight.remove(at)
        {
            self.completed.extend(sent.transmission);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 2));

    impl TxTimestamps {
        /// Starts an advertisement with a token of its own.
        fn begun(&mut self) -> Transmission {
            let token =
                Token(self.in_flight.back().and_then(|last| last.transmission).map_or(0, |last| last.token.0 + 1));
            let transmission = Transmission { token, started: Time::ZERO };
            self.begin(transmission);
            transmission
        }

        fn sent(&mut self, copies: usize) -> Transmission {
            let transmission = self.begun();
            (0..copies).for_each(|_| self.copy(PEER));
            self.whole();
            transmission
        }
    }

    #[test]
    fn advertisement_has_left_once_all_copies_have() {
        let mut tx_timestamps = TxTimestamps::default();
        let id = tx_timestamps.sent(2);
        tx_timestamps.departed(1);
        assert_eq!(tx_timestamps.next(), None);
        assert_eq!(tx_timestamps.missing(id), [(0, PEER)]);
        tx_timestamps.departed(0);
        assert_eq!(tx_timestamps.next(), Some(id));
        assert_eq!(tx_timestamps.next(), None);
    }

    #[test]
    fn copies_that_left_before_the_last_was_sent_are_not_all() {
        let mut tx_timestamps = TxTimestamps::default();
        let id = tx_timestamps.begun();
        tx_timestamps.copy(PEER);
        tx_timestamps.departed(0);
        assert_eq!(tx_timestamps.next(), None);
        tx_timestamps.whole();
        assert_eq!(tx_timestamps.next(), Some(id));
    }

    #[test]
    fn one_that_never_leaves_does_not_hold_up_the_next() {
        let mut tx_timestamps = TxTimestamps::default();
        tx_timestamps.sent(1);
        let second = tx_timestamps.sent(1);
        tx_timestamps.departed(1);
        assert_eq!(tx_timestamps.next(), Some(second));
    }

    #[test]
    fn one_that_failed_for_a_peer_has_never_left() {
        let mut tx_timestamps = TxTimestamps::default();
        tx_timestamps.begun();
        tx_timestamps.copy(PEER);
        tx_timestamps.departed(0);
        tx_timestamps.failed();
        tx_timestamps.copy(PEER);
        tx_timestamps.departed(0);
        assert_eq!(tx_timestamps.next(), None);
        let next = tx_timestamps.sent(1);
        tx_timestamps.departed(1);
        assert_eq!(tx_timestamps.next(), Some(next));
    }

    #[test]
    fn number_of_the_old_count_is_not_taken_for_a_new_one() {
        let mut tx_timestamps = TxTimestamps::default();
        tx_timestamps.sent(1);
        tx_timestamps.begun();
        tx_timestamps.failed();
        let id = tx_timestamps.sent(1);
        tx_timestamps.departed(0);
        assert_eq!(tx_timestamps.next(), None, "what had been on its way before the failure was taken for it");
        tx_timestamps.departed(0);
        assert_eq!(tx_timestamps.next(), Some(id));
    }

    #[test]
    fn what_comes_twice_or_was_never_sent_is_nothing() {
        let mut tx_timestamps = TxTimestamps::default();
        let id = tx_timestamps.sent(1);
        tx_timestamps.departed(7);
        tx_timestamps.departed(0);
        tx_timestamps.departed(0);
        assert_eq!((tx_timestamps.next(), tx_timestamps.next()), (Some(id), None));
    }

    #[test]
    fn advertisements_that_never_leave_are_forgotten_some_time() {
        let mut tx_timestamps = TxTimestamps::default();
        for _ in 0..1000 {
            tx_timestamps.sent(3);
        }
        assert_eq!(tx_timestamps.in_flight.len(), MAX_IN_FLIGHT);
        for _ in 0..1000 {
            tx_timestamps.sent(3);
            tx_timestamps.failed();
        }
        assert!(tx_timestamps.old.len() <= MAX_IN_FLIGHT);
    }
}
