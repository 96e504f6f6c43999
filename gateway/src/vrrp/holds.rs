//! Who else may still forward.

use std::net::IpAddr;

use super::{Heard, Time};

/// Nodes remembered one by one.
const ROOM: usize = 64;

/// The other nodes' leases as far as one can know them from outside: each node heard may forward for three of its
/// intervals, unless it says that it has stopped.
///
/// An advertisement with a shorter interval does not shorten a hold. Two that were sent close together can arrive in the
/// other order, and the sender's lease is as long as the longer one.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
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
}

impl Holds {
    /// Notes an advertisement that arrived `at`.
    pub(super) fn heard(&mut self, heard: Heard, at: Time) {
        if heard.priority == 0 {
            // Who was active, and is no more, has known that nobody else forwards.
            if self.table.iter().any(|hold| hold.from == heard.from && hold.end > at) {
                self.before = Time::ZERO;
            }
            self.table.retain(|hold| hold.from != heard.from);
            return;
        }
        let end = at + heard.interval.three();
        if let Some(hold) = self.table.iter_mut().find(|hold| hold.from == heard.from) {
            hold.end = hold.end.max(end);
            hold.priority = heard.priority;
            return;
        }
        if self.table.len() >= ROOM {
            self.table.retain(|hold| hold.end > at);
        }
        if self.table.len() < ROOM {
            self.table.push(Hold { from: heard.from, priority: heard.priority, end });
        } else {
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

    /// The same for nodes of a priority that is at least `priority`, of which a backup knows that they won't yield.
    pub(super) fn end_of_better(&self, priority: u8, now: Time) -> Option<Time> {
        let better = self.table.iter().filter(|hold| hold.priority >= priority).map(|hold| hold.end);
        better.chain([self.nameless, self.before]).max().filter(|end| *end > now)
    }

    /// The node whose hold ends last.
    pub(super) fn last(&self, now: Time) -> Option<IpAddr> {
        self.table.iter().filter(|hold| hold.end > now).max_by_key(|hold| hold.end).map(|hold| hold.from)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::vrrp::Interval;

    fn heard(host: u32, priority: u8, centiseconds: u16) -> Heard {
        let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host));
        Heard { from, priority, interval: Interval::from_centiseconds(centiseconds).unwrap() }
    }

    const ZERO: Time = Time::ZERO;

    #[test]
    fn a_node_heard_may_forward_for_three_of_its_intervals() {
        let mut holds = Holds::default();
        holds.heard(heard(1, 100, 10), Duration::from_secs(5));
        assert_eq!(holds.end(ZERO), Some(Duration::from_millis(5300)));
        assert_eq!(holds.end(Duration::from_millis(5300)), None);
    }

    #[test]
    fn a_shorter_interval_does_not_shorten_a_hold() {
        let mut holds = Holds::default();
        holds.heard(heard(1, 100, 100), ZERO);
        holds.heard(heard(1, 100, 1), Duration::from_millis(1));
        assert_eq!(holds.end(ZERO), Some(Duration::from_secs(3)));
    }

    #[test]
    fn priority_zero_ends_the_sender_s_hold_and_no_other() {
        let mut holds = Holds::default();
        holds.heard(heard(1, 100, 100), ZERO);
        holds.heard(heard(2, 90, 10), ZERO);
        holds.heard(heard(1, 0, 100), ZERO);
        assert_eq!(holds.end(ZERO), Some(Duration::from_millis(300)));
        assert_eq!(holds.end_of_better(91, ZERO), None);
    }

    #[test]
    fn more_nodes_than_there_is_room_for_still_hold() {
        let mut holds = Holds::default();
        for host in 0..ROOM as u32 {
            holds.heard(heard(host, 100, 10), ZERO);
        }
        holds.heard(heard(1000, 100, 20), ZERO);
        assert_eq!(holds.table.len(), ROOM);
        assert_eq!(holds.end(ZERO), Some(Duration::from_millis(600)));
    }
}
