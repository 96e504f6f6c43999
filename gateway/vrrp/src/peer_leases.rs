//! Peer leases: the times until which other nodes may still forward.

use std::{net::IpAddr, time::Duration};

use super::{Interval, PeerAdvert, Time};

/// The most nodes that are remembered individually.
const ROOM: usize = 64;

/// Longest interval that is believed of another node, if this node's own interval is not longer.
const SLOWEST: Interval = Interval::DEFAULT;

/// Returns the longest time for which a node is assumed to forward after an advertisement: three times the `own`
/// interval, or three seconds. Without this limit, a single packet from any station on the segment could stop all nodes
/// for two minutes.
pub fn longest(own: Interval) -> Duration {
    own.max(SLOWEST).three()
}

/// Leases of the other nodes, as far as they can be known from outside. Each node that has advertised may forward for
/// three of its intervals, unless it announces that it has stopped.
///
/// An advertisement with a shorter interval does not shorten a hold. Two advertisements that were sent close together
/// can arrive in the other order, and the sender's lease is as long as the longer one.
///
/// An active node need not wait for a node that has appeared meanwhile. A node whose advertisement arrives while the
/// own chain of advertisements is unbroken either receives that chain as well and stops, or receives nothing of this
/// node. A lease that it still has from before ends by itself while both know of each other.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerLeases {
    table: Vec<Hold>,
    /// Latest end of the holds that are not in the table: the table was full, or their nodes are unknown.
    nameless: Time,
    /// End of the time for which a node may forward whose advertisements this process could not receive, because it did
    /// not run.
    before: Time,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    from: IpAddr,
    priority: u8,
    end: Time,
    /// End by those advertisements alone that an active node has to wait for.
    doubt: Time,
}

impl PeerLeases {
    /// Records an advertisement that arrived `at`. `own` is this node's interval. `whole` is true if this node has
    /// precedence over the sender, is active and has advertised without a gap until then.
    pub(super) fn advert_received(&mut self, advert: PeerAdvert, at: Time, own: Interval, whole: bool) {
        if advert.priority == 0 {
            self.table.retain(|hold| hold.from != advert.from);
            return;
        }
        let end = at + advert.interval.three().min(longest(own));
        let doubt = if whole { Time::ZERO } else { end };
        if let Some(hold) = self.table.iter_mut().find(|hold| hold.from == advert.from) {
            hold.end = hold.end.max(end);
            hold.doubt = hold.doubt.max(doubt);
            hold.priority = advert.priority;
            return;
        }
        if self.table.len() >= ROOM {
            self.table.retain(|hold| hold.end > at);
        }
        if self.table.len() < ROOM {
            self.table.push(Hold { from: advert.from, priority: advert.priority, end, doubt });
        } else if !whole {
            self.unknown(end);
        }
    }

    /// Records that an unknown node may forward until `end`.
    pub(super) fn unknown(&mut self, end: Time) {
        self.nameless = self.nameless.max(end);
    }

    /// Records that the process has just started, and that a node of which it has received nothing may forward until
    /// `end`.
    pub(super) fn started(&mut self, end: Time) {
        self.before = end;
    }

    /// Returns the time until which any other node may forward, or `None` if none does at `now`.
    pub(super) fn end(&self, now: Time) -> Option<Time> {
        self.table.iter().map(|hold| hold.end).chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// Returns the same time, limited to the holds that an active node has to wait for.
    pub(super) fn end_of_doubt(&self, now: Time) -> Option<Time> {
        self.table.iter().map(|hold| hold.doubt).chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// Returns the same time, limited to nodes of at least `priority`: a backup knows that they won't yield.
    pub(super) fn end_of_better(&self, priority: u8, now: Time) -> Option<Time> {
        let better = self.table.iter().filter(|hold| hold.priority >= priority).map(|hold| hold.end);
        better.chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// Returns the node whose hold ends last, and its priority. Returns `None` if that node is unknown.
    pub(super) fn last(&self, now: Time) -> Option<(IpAddr, u8)> {
        let last = self.table.iter().filter(|hold| hold.end > now).max_by_key(|hold| hold.end)?;
        (last.end >= self.nameless).then_some((last.from, last.priority))
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::Interval;

    fn advert(host: u32, priority: u8, centiseconds: u16) -> PeerAdvert {
        let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host));
        PeerAdvert { from, priority, interval: Interval::from_centiseconds(centiseconds).unwrap() }
    }

    const ZERO: Time = Time::ZERO;

    impl PeerLeases {
        /// By a node that advertises every tenth of a second, and is not active.
        fn receives(&mut self, advert: PeerAdvert, at: Time) {
            self.advert_received(advert, at, Interval::from_centiseconds(10).unwrap(), false);
        }
    }

    #[test]
    fn a_node_may_forward_for_three_of_its_intervals() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.receives(advert(1, 100, 10), Duration::from_secs(5));
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_millis(5300)));
        assert_eq!(peer_leases.end(Duration::from_millis(5300)), None);
    }

    #[test]
    fn a_shorter_interval_does_not_shorten_a_hold() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.receives(advert(1, 100, 100), ZERO);
        peer_leases.receives(advert(1, 100, 1), Duration::from_millis(1));
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_secs(3)));
    }

    #[test]
    fn priority_zero_ends_the_sender_s_hold_and_no_other() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.receives(advert(1, 100, 100), ZERO);
        peer_leases.receives(advert(2, 90, 10), ZERO);
        peer_leases.receives(advert(1, 0, 100), ZERO);
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_millis(300)));
        assert_eq!(peer_leases.end_of_better(91, ZERO), None);
    }

    #[test]
    fn priority_zero_does_not_end_the_wait_of_a_new_process() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.started(Duration::from_secs(3));
        peer_leases.receives(advert(1, 100, 10), ZERO);
        peer_leases.receives(advert(1, 0, 10), Duration::from_millis(1));
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_secs(3)), "a third node may hang, and forward still");
    }

    #[test]
    fn a_longer_interval_holds_for_three_seconds_or_three_own_intervals() {
        let ten = Interval::from_centiseconds(1000).unwrap();
        for (own, seconds) in [(Interval::from_centiseconds(10).unwrap(), 3), (Interval::DEFAULT, 3), (ten, 30)] {
            let mut peer_leases = PeerLeases::default();
            peer_leases.advert_received(advert(1, 1, 4095), ZERO, own, false);
            assert_eq!(peer_leases.end(ZERO), Some(Duration::from_secs(seconds)), "{own}");
        }
    }

    #[test]
    fn an_active_node_waits_for_those_alone_who_came_while_it_was_late() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.advert_received(advert(1, 1, 100), ZERO, Interval::DEFAULT, true);
        assert_eq!((peer_leases.end_of_doubt(ZERO), peer_leases.end(ZERO)), (None, Some(Duration::from_secs(3))));
        peer_leases.advert_received(advert(1, 1, 10), ZERO, Interval::DEFAULT, false);
        assert_eq!(peer_leases.end_of_doubt(ZERO), Some(Duration::from_millis(300)));
    }

    #[test]
    fn more_nodes_than_there_is_room_for_still_hold() {
        let mut peer_leases = PeerLeases::default();
        for host in 0..ROOM as u32 {
            peer_leases.receives(advert(host, 100, 10), ZERO);
        }
        peer_leases.receives(advert(1000, 100, 20), ZERO);
        assert_eq!(peer_leases.table.len(), ROOM);
        assert_eq!((peer_leases.end(ZERO), peer_leases.last(ZERO)), (Some(Duration::from_millis(600)), None));
    }

    #[test]
    fn forged_sources_without_number_do_not_hold_off_an_active_node() {
        let mut peer_leases = PeerLeases::default();
        for host in 0..10 * ROOM as u32 {
            peer_leases.advert_received(advert(host, 1, 4095), ZERO, Interval::DEFAULT, true);
        }
        assert_eq!(peer_leases.end_of_doubt(ZERO), None);
        assert_eq!(peer_leases.end(Duration::from_secs(3)), None, "the longest hold is over");
    }
}
