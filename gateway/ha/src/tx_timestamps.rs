//! TX timestamps: determines which advertisements have been transmitted.
//!
//! The kernel counts the packets of a socket, and reports the number of each transmitted packet
//! (`SOF_TIMESTAMPING_OPT_ID`). After a failed send it is unknown whether the packet was counted, so the count is
//! restarted. Packets that are pending at that time have a number of the old count.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use super::SendId;

/// The most pending advertisements. A queue that still moves can't hold more for an interval.
const MAX_ON_THE_WAY: usize = 64;

/// One pending advertisement.
#[derive(Debug)]
struct OnTheWay {
    id: SendId,
    /// The kernel has taken all its copies.
    whole: bool,
    /// Copies that were not transmitted yet: number and destination.
    copies: BTreeMap<u32, IpAddr>,
}

/// Tracks advertisements from sending to transmission.
#[derive(Debug, Default)]
pub(super) struct TxTimestamps {
    next_id: u64,
    next_key: u32,
    on_the_way: VecDeque<OnTheWay>,
    /// Numbers of the old count, and how often each may still be reported.
    old: BTreeMap<u32, u32>,
    left: VecDeque<SendId>,
}

impl TxTimestamps {
    /// Starts a new advertisement.
    pub(super) fn begin(&mut self) -> SendId {
        let id = SendId(self.next_id);
        self.next_id += 1;
        self.on_the_way.push_back(OnTheWay { id, whole: false, copies: BTreeMap::new() });
        if self.on_the_way.len() > MAX_ON_THE_WAY {
            self.on_the_way.pop_front();
        }
        id
    }

    /// Records that the kernel took a copy of the newest advertisement.
    pub(super) fn copy(&mut self, to: IpAddr) {
        if let Some(newest) = self.on_the_way.back_mut() {
            newest.copies.insert(self.next_key, to);
            self.next_key = self.next_key.wrapping_add(1);
        }
    }

    /// Records that the kernel took all copies of the newest advertisement.
    pub(super) fn whole(&mut self) {
        if let Some(newest) = self.on_the_way.back_mut() {
            newest.whole = true;
            let at = self.on_the_way.len() - 1;
            self.look_at(at);
        }
    }

    /// Records that the kernel refused a copy and the count restarts. The newest advertisement never becomes complete.
    pub(super) fn failed(&mut self) {
        for key in self.on_the_way.drain(..).flat_map(|sent| sent.copies.into_keys()) {
            *self.old.entry(key).or_default() += 1;
        }
        while self.old.len() > MAX_ON_THE_WAY {
            self.old.pop_first();
        }
        self.next_key = 0;
        self.begin();
    }

    /// Returns the copies of an advertisement that were not transmitted: number and destination.
    pub(super) fn missing(&self, id: SendId) -> Vec<(u32, IpAddr)> {
        let copies = self.on_the_way.iter().filter(|sent| sent.id == id).flat_map(|sent| &sent.copies);
        copies.map(|(key, to)| (*key, *to)).collect()
    }

    /// Records that a packet was transmitted, or that its destination can't be reached.
    pub(super) fn departed(&mut self, key: u32) {
        if let Some(count) = self.old.get_mut(&key) {
            // It is unknown which of the two packets this was. Taking it for the older one is safe.
            *count -= 1;
            if *count == 0 {
                self.old.remove(&key);
            }
        } else if let Some(at) = self.on_the_way.iter_mut().position(|sent| sent.copies.remove(&key).is_some()) {
            self.look_at(at);
        }
    }

    /// Returns the next advertisement of which all copies were transmitted.
    pub(super) fn next(&mut self) -> Option<SendId> {
        self.left.pop_front()
    }

    fn look_at(&mut self, at: usize) {
        if self.on_the_way[at].whole
            && self.on_the_way[at].copies.is_empty()
            && let Some(sent) = self.on_the_way.remove(at)
        {
            self.left.push_back(sent.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 2));

    impl TxTimestamps {
        fn sent(&mut self, copies: usize) -> SendId {
            let id = self.begin();
            (0..copies).for_each(|_| self.copy(PEER));
            self.whole();
            id
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
        let id = tx_timestamps.begin();
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
        tx_timestamps.begin();
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
        tx_timestamps.begin();
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
        assert_eq!(tx_timestamps.on_the_way.len(), MAX_ON_THE_WAY);
        for _ in 0..1000 {
            tx_timestamps.sent(3);
            tx_timestamps.failed();
        }
        assert!(tx_timestamps.old.len() <= MAX_ON_THE_WAY);
    }
}
