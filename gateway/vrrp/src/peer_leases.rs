//! Who else may still forward.

use std::{net::IpAddr, time::Duration};

use super::{Heard, Interval, Time};

/// Nodes remembered one by one.
const ROOM: usize = 64;

/// The longest interval that is believed of another node, whatever the own one is.
const SLOWEST: Interval = Interval::DEFAULT;

/// How long a node is held to forward after an advertisement at most: three times `own` interval, or three seconds.
/// Whoever may send on the segment could otherwise stop everybody for two minutes with one packet.
pub fn longest(own: Interval) -> Duration {
    own.max(SLOWEST).three()
}

/// The other nodes' leases as far as one can know them from outside: each node heard may forward for three of its
/// intervals, unless it says that it has stopped.
///
/// An advertisement with a shorter interval does not shorten a hold. Two that were sent close together can arrive in the
/// other order, and the sender's lease is as long as the longer one.
///
/// An active node need not wait for one that has come meanwhile. Who is heard while the own chain of advertisements is
/// whole hears them as well, or hears nothing of this node: it stops, or a lease that it brings along from before ends
/// by itself while both are known to each other.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerLeases {
    table: Vec<Hold>,
    /// The latest end of those that are not in the table: it was full, or nobody knows whose they are.
    nameless: Time,
    /// Until when somebody may forward whom this process could not have heard, since it did not run.
    before: Time,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    from: IpAddr,
    priority: u8,
    end: Time,
    /// The same by those advertisements alone that an active node has to wait for.
    doubt: Time,
}

impl PeerLeases {
    /// Notes an advertisement that arrived `at`. `own` is this node's interval; `whole` says that this node has
    /// precedence over the sender, is active and has advertised without a gap until then.
    pub(super) fn heard(&mut self, heard: Heard, at: Time, own: Interval, whole: bool) {
        if heard.priority == 0 {
            self.table.retain(|hold| hold.from != heard.from);
            return;
        }
        let end = at + heard.interval.three().min(longest(own));
        let doubt = if whole { Time::ZERO } else { end };
        if let Some(hold) = self.table.iter_mut().find(|hold| hold.from == heard.from) {
            hold.end = hold.end.max(end);
            hold.doubt = hold.doubt.max(doubt);
            hold.priority = heard.priority;
            return;
        }
        if self.table.len() >= ROOM {
            self.table.retain(|hold| hold.end > at);
        }
        if self.table.len() < ROOM {
            self.table.push(Hold { from: heard.from, priority: heard.priority, end, doubt });
        } else if !whole {
            self.unknown(end);
        }
    }

    /// Somebody may forward until `end`.
    pub(super) fn unknown(&mut self, end: Time) {
        self.nameless = self.nameless.max(end);
    }

    /// The process has just started, and somebody may forward until `end` of whom it has heard nothing.
    pub(super) fn started(&mut self, end: Time) {
        self.before = end;
    }

    /// Until when any other node may forward; nothing if none does at `now`.
    pub(super) fn end(&self, now: Time) -> Option<Time> {
        self.table.iter().map(|hold| hold.end).chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// The same as far as a node that is active has to wait for it.
    pub(super) fn end_of_doubt(&self, now: Time) -> Option<Time> {
        self.table.iter().map(|hold| hold.doubt).chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// The same for nodes of a priority that is at least `priority`, of which a backup knows that they won't yield.
    pub(super) fn end_of_better(&self, priority: u8, now: Time) -> Option<Time> {
        let better = self.table.iter().filter(|hold| hold.priority >= priority).map(|hold| hold.end);
        better.chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// The node whose hold ends last, and its priority; nothing where that is nobody known.
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

    fn heard(host: u32, priority: u8, centiseconds: u16) -> Heard {
        let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host));
        Heard { from, priority, interval: Interval::from_centiseconds(centiseconds).unwrap() }
    }

    const ZERO: Time = Time::ZERO;

    impl PeerLeases {
        /// By a node that advertises every tenth of a second, and is not active.
        fn hears(&mut self, heard: Heard, at: Time) {
            self.heard(heard, at, Interval::from_centiseconds(10).unwrap(), false);
        }
    }

    #[test]
    fn a_node_heard_may_forward_for_three_of_its_intervals() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.hears(heard(1, 100, 10), Duration::from_secs(5));
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_millis(5300)));
        assert_eq!(peer_leases.end(Duration::from_millis(5300)), None);
    }

    #[test]
    fn a_shorter_interval_does_not_shorten_a_hold() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.hears(heard(1, 100, 100), ZERO);
        peer_leases.hears(heard(1, 100, 1), Duration::from_millis(1));
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_secs(3)));
    }

    #[test]
    fn priority_zero_ends_the_sender_s_hold_and_no_other() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.hears(heard(1, 100, 100), ZERO);
        peer_leases.hears(heard(2, 90, 10), ZERO);
        peer_leases.hears(heard(1, 0, 100), ZERO);
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_millis(300)));
        assert_eq!(peer_leases.end_of_better(91, ZERO), None);
    }

    #[test]
    fn priority_zero_does_not_end_the_wait_of_a_new_process() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.started(Duration::from_secs(3));
        peer_leases.hears(heard(1, 100, 10), ZERO);
        peer_leases.hears(heard(1, 0, 10), Duration::from_millis(1));
        assert_eq!(peer_leases.end(ZERO), Some(Duration::from_secs(3)), "a third node may hang, and forward still");
    }

    #[test]
    fn a_longer_interval_holds_for_three_seconds_or_three_own_intervals() {
        let ten = Interval::from_centiseconds(1000).unwrap();
        for (own, seconds) in [(Interval::from_centiseconds(10).unwrap(), 3), (Interval::DEFAULT, 3), (ten, 30)] {
            let mut peer_leases = PeerLeases::default();
            peer_leases.heard(heard(1, 1, 4095), ZERO, own, false);
            assert_eq!(peer_leases.end(ZERO), Some(Duration::from_secs(seconds)), "{own}");
        }
    }

    #[test]
    fn an_active_node_waits_for_those_alone_who_came_while_it_was_late() {
        let mut peer_leases = PeerLeases::default();
        peer_leases.heard(heard(1, 1, 100), ZERO, Interval::DEFAULT, true);
        assert_eq!((peer_leases.end_of_doubt(ZERO), peer_leases.end(ZERO)), (None, Some(Duration::from_secs(3))));
        peer_leases.heard(heard(1, 1, 10), ZERO, Interval::DEFAULT, false);
        assert_eq!(peer_leases.end_of_doubt(ZERO), Some(Duration::from_millis(300)));
    }

    #[test]
    fn more_nodes_than_there_is_room_for_still_hold() {
        let mut peer_leases = PeerLeases::default();
        for host in 0..ROOM as u32 {
            peer_leases.hears(heard(host, 100, 10), ZERO);
        }
        peer_leases.hears(heard(1000, 100, 20), ZERO);
        assert_eq!(peer_leases.table.len(), ROOM);
        assert_eq!((peer_leases.end(ZERO), peer_leases.last(ZERO)), (Some(Duration::from_millis(600)), None));
    }

    #[test]
    fn forged_sources_without_number_do_not_hold_off_an_active_node() {
        let mut peer_leases = PeerLeases::default();
        for host in 0..10 * ROOM as u32 {
            peer_leases.heard(heard(host, 1, 4095), ZERO, Interval::DEFAULT, true);
        }
        assert_eq!(peer_leases.end_of_doubt(ZERO), None);
        assert_eq!(peer_leases.end(Duration::from_secs(3)), None, "the longest hold is over");
    }
}
