//! Detection of nodes that do not receive this node's advertisements.
//!
//! A node that has the addresses stops as soon as it receives an advertisement of higher precedence. A node of lower
//! precedence that goes on advertising therefore receives none. This node can't change that: if only one direction
//! works, only the node that still receives can notice it, and so it yields.

use std::{net::IpAddr, time::Duration};

use super::Time;

/// The most nodes that are watched at once. More than that are probably forged.
const ROOM: usize = 16;

/// Nodes of lower precedence that advertise while this one does.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaf {
    suspects: Vec<Suspect>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    from: IpAddr,
    first: Time,
    latest: Time,
}

impl Deaf {
    /// Records that a node has advertised `at`, after this node did so last at `sent`. Returns true if the node has
    /// gone on for longer than `patience`, although this node's advertisements were there to be received all the time.
    pub(super) fn advert_received(&mut self, from: IpAddr, at: Time, sent: Option<Time>, patience: Duration) -> bool {
        self.suspects.retain(|suspect| at.saturating_sub(suspect.latest) <= patience);
        if sent.is_none_or(|sent| at.saturating_sub(sent) > patience) {
            // It may have taken over, and rightly.
            self.answered(from);
            return false;
        }
        if let Some(suspect) = self.suspects.iter_mut().find(|suspect| suspect.from == from) {
            suspect.latest = suspect.latest.max(at);
            return at.saturating_sub(suspect.first) > patience;
        }
        if self.suspects.len() < ROOM {
            self.suspects.push(Suspect { from, first: at, latest: at });
        }
        false
    }

    /// Records that a node has announced that it stops.
    pub(super) fn answered(&mut self, from: IpAddr) {
        self.suspects.retain(|suspect| suspect.from != from);
    }

    /// Records that this node no longer advertises.
    pub(super) fn forget(&mut self) {
        self.suspects.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    fn address(host: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
    }

    fn ms(milliseconds: u64) -> Time {
        Duration::from_millis(milliseconds)
    }

    /// Returns the time at which a node is found to be deaf that advertises at `theirs`, while this node advertises at
    /// `ours`.
    fn found(theirs: impl IntoIterator<Item = u64>, ours: &[u64]) -> Option<u64> {
        let mut deaf = Deaf::default();
        theirs.into_iter().find(|at| {
            let sent = ours.iter().filter(|sent| *sent < at).max();
            deaf.advert_received(address(1), ms(*at), sent.map(|sent| ms(*sent)), PATIENCE)
        })
    }

    #[test]
    fn a_node_that_goes_on_for_longer_than_three_intervals_is_deaf() {
        let ours: Vec<u64> = (0..20).map(|n| n * 100).collect();
        assert_eq!(found((0..20).map(|n| n * 100 + 50), &ours), Some(450));
    }

    #[test]
    fn a_node_that_took_over_while_this_one_hung_is_not() {
        assert_eq!(found((31..90).map(|n| n * 10), &[0]), None);
    }

    #[test]
    fn a_node_received_now_and_then_is_not() {
        let ours: Vec<u64> = (0..50).map(|n| n * 100).collect();
        assert_eq!(found((0..10).map(|n| n * 400 + 50), &ours), None);
    }

    #[test]
    fn a_node_that_sends_a_goodbye_in_between_is_not() {
        let mut deaf = Deaf::default();
        for round in 0..10 {
            let at = ms(round * 200);
            assert!(!deaf.advert_received(address(1), at, Some(at), PATIENCE));
            assert!(!deaf.advert_received(address(1), at + ms(150), Some(at), PATIENCE));
            deaf.answered(address(1));
        }
    }

    #[test]
    fn forged_sources_do_not_grow_without_bound() {
        let mut deaf = Deaf::default();
        for host in 0..=255 {
            deaf.advert_received(address(host), ms(1), Some(ms(1)), PATIENCE);
        }
        assert_eq!(deaf.suspects.len(), ROOM);
    }
}
