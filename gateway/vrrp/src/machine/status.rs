//! Deadline and status of a [`Machine`]: functions of its state.

use super::Machine;
use crate::{Holdup, Role, Status, Time};

impl Machine {
    /// Returns the time of the next call of [`Self::tick`] if nothing happens before. A time in the past means at once.
    pub fn deadline(&self) -> Option<Time> {
        if self.leaving {
            return None;
        }
        match self.role {
            Role::Starting => Some(self.timer),
            Role::Fault => None,
            Role::Backup => Some(self.backup_due()),
            Role::Claiming | Role::Active => {
                let mut due = self.advertise_at.max(self.silent_until);
                if self.silence {
                    due = Time::ZERO;
                }
                if let Some(claim) = self.lease_state.claimable() {
                    due = due.min(claim.max(self.awaited(self.drained).unwrap_or_default()));
                }
                if let (Role::Active, Some(lapse)) = (self.role, self.lease_state.lapse()) {
                    due = due.min(lapse);
                }
                if let Some(conflict) = self.conflict.due(self.peer_leases.end(self.drained).unwrap_or_default()) {
                    due = due.min(conflict);
                }
                Some(due)
            }
        }
    }

    /// Returns the status.
    pub fn status(&self) -> Status {
        let follows = self.role == Role::Backup;
        Status {
            role: self.role,
            since: self.since,
            priority: self.priority(),
            active: self.active.filter(|_| follows),
            interval: if follows { self.interval } else { self.settings.interval },
            lease: self.lease_state.end(),
            deaf_peer: self
                .deaf_peer
                .filter(|from| self.role == Role::Claiming || (follows && self.active == Some(*from))),
            holdup: if self.role == Role::Claiming { self.holdup() } else { None },
        }
    }

    /// Returns the reason why the claim waits.
    pub(super) fn holdup(&self) -> Option<Holdup> {
        if self.peer_leases.end(self.drained).is_some() {
            let last = self.peer_leases.last(self.drained);
            return Some(last.map_or(Holdup::Unknown, |(from, priority)| Holdup::Node { from, priority }));
        }
        self.lease_state.claimable().is_none().then_some(Holdup::Unsent)
    }
}
