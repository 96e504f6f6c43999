//! Advertisements of the active node, as a backup takes them (RFC 9568 section 6.4.2).

use super::Machine;
use crate::{PeerAdvert, Time};

impl Machine {
    pub(super) fn backup_received(&mut self, advert: PeerAdvert, at: Time) {
        let own = self.priority();
        if advert.priority == 0 {
            // A node that has lost a claim also sends this, while another node advertises.
            if self.peer_leases.end(at).is_none() {
                self.active = None;
                self.timer = self.timer.min(at + self.interval.skew(own));
            }
        } else if advert.priority >= own.get() {
            self.preempt_from = None;
            self.follow(advert, at);
        } else {
            let from = *self.preempt_from.get_or_insert(at + self.settings.preempt_delay);
            if !self.settings.preempt || self.yielded {
                self.follow(advert, at);
            } else if at < from {
                self.follow(advert, at);
                self.timer = self.timer.min(from);
            } else {
                self.active = Some(advert.from);
            }
        }
    }

    /// Follows an active node with its interval.
    pub(super) fn follow(&mut self, advert: PeerAdvert, at: Time) {
        self.active = Some(advert.from);
        self.interval = advert.interval;
        self.timer = at + advert.interval.down(self.priority());
    }

    /// Returns the time of the next claim. A claim is useless while a node may forward that would not yield.
    pub(super) fn backup_due(&self) -> Time {
        self.timer.max(self.peer_leases.end_of_better(self.priority().get(), self.drained).unwrap_or_default())
    }
}
