//! Precedence of this node over others, and the nodes that it waits for or that do not receive it.

use std::cmp::Ordering;

use super::Machine;
use crate::{PeerAdvert, Priority, Role, Time, peer_leases::longest};

impl Machine {
    pub(super) fn priority(&self) -> Priority {
        self.settings.priority.adjusted(self.tracked.delta)
    }

    /// Compares the precedence of the sender of an advertisement with this node's (RFC 9568 section 6.4.3, (825)).
    pub(super) fn precedence(&self, advert: PeerAdvert) -> Ordering {
        if advert.priority == 0 {
            return Ordering::Less;
        }
        advert.priority.cmp(&self.priority().get()).then(advert.from.cmp(&self.settings.own))
    }

    /// Corrects the timer of a backup, which contains the skew of its priority.
    pub(super) fn reprioritized(&mut self, before: Priority) {
        if self.role == Role::Backup {
            let (old, new) = (self.interval.skew(before), self.interval.skew(self.priority()));
            self.timer = (self.timer + new).saturating_sub(old);
        }
    }

    /// Returns the time until which a claim has to wait for other nodes.
    pub(super) fn awaited(&self, now: Time) -> Option<Time> {
        if self.role == Role::Active { self.peer_leases.end_of_doubt(now) } else { self.peer_leases.end(now) }
    }

    /// Returns true if a node that should stop has not received this node's advertisements for three intervals.
    pub(super) fn is_deaf(&mut self, advert: PeerAdvert, at: Time) -> bool {
        let own = self.settings.interval;
        let patience = advert.interval.max(own).three().min(longest(own));
        advert.priority != 0 && self.deaf.advert_received(advert.from, at, self.lease_state.sent_at(), patience)
    }
}
