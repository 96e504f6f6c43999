//! Which advertisements have left the machine.
//!
//! The kernel counts the packets of a socket, and says of each that left which it was (`SOF_TIMESTAMPING_OPT_ID`). After
//! a send that failed nobody knows whether it was counted, so the count is begun anew; what is still on its way then has
//! a number of the old count.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use super::SendId;

/// Advertisements on their way at once; more than a queue that still moves can hold for an interval.
const MAX_ON_THE_WAY: usize = 64;

/// One advertisement.
#[derive(Debug)]
struct OnTheWay {
    id: SendId,
    /// All its copies were given to the kernel.
    whole: bool,
    /// Those that have not left: number, and to whom.
    copies: BTreeMap<u32, IpAddr>,
}

/// Follows advertisements from being sent to having left.
#[derive(Debug, Default)]
pub(super) struct TxTimestamps {
    next_id: u64,
    next_key: u32,
    on_the_way: VecDeque<OnTheWay>,
    /// Numbers of the old count, and how often they may yet be told.
    old: BTreeMap<u32, u32>,
    left: VecDeque<SendId>,
}

impl TxTimestamps {
    /// A new advertisement.
    pub(super) fn begin(&mut self) -> SendId {
        let id = SendId(self.next_id);
        self.next_id += 1;
        self.on_the_way.push_back(OnTheWay { id, whole: false, copies: BTreeMap::new() });
        if self.on_the_way.len() > MAX_ON_THE_WAY {
            self.on_the_way.pop_front();
        }
        id
    }

    /// The kernel took a copy of the newest advertisement.
    pub(super) fn copy(&mut self, to: IpAddr) {
        if let Some(newest) = self.on_the_way.back_mut() {
            newest.copies.insert(self.next_key, to);
            self.next_key = self.next_key.wrapping_add(1);
        }
    }

    /// It has taken all copies of the newest advertisement.
    pub(super) fn whole(&mut self) {
        if let Some(newest) = self.on_the_way.back_mut() {
            newest.whole = true;
            let at = self.on_the_way.len() - 1;
            self.look_at(at);
        }
    }

    /// It has refused a copy, and begins to count anew. The newest advertisement will not be whole.
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

    /// Copies of an advertisement that have not left: number, and to whom.
    pub(super) fn missing(&self, id: SendId) -> Vec<(u32, IpAddr)> {
        let copies = self.on_the_way.iter().filter(|sent| sent.id == id).flat_map(|sent| &sent.copies);
        copies.map(|(key, to)| (*key, *to)).collect()
    }

    /// A packet has left, or there is nobody it could reach.
    pub(super) fn departed(&mut self, key: u32) {
        if let Some(count) = self.old.get_mut(&key) {
            // Nobody can tell which of the two it was. To take it for the older one is safe.
            *count -= 1;
            if *count == 0 {
                self.old.remove(&key);
            }
        } else if let Some(at) = self.on_the_way.iter_mut().position(|sent| sent.copies.remove(&key).is_some()) {
            self.look_at(at);
        }
    }

    /// The next advertisement of which all copies have left.
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
