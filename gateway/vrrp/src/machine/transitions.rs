//! Transitions between states, and the actions that belong to them.

use super::{ANSWERS, Machine};
use crate::{Action, Interval, Priority, Role, Time, Token, lease_state::LeaseState};

impl Machine {
    /// Starts to take part.
    pub(super) fn begin(&mut self, now: Time) {
        self.interval = self.settings.interval;
        if self.tracked.fault {
            self.enter(Role::Fault, now);
        } else if self.priority() == Priority::OWNER {
            self.claim(now);
        } else {
            self.enter(Role::Backup, now);
            self.active = None;
            self.timer = now + self.interval.down(self.priority());
        }
    }

    pub(super) fn claim(&mut self, now: Time) {
        self.enter(Role::Claiming, now);
        self.lease_state = LeaseState::default();
        self.advertise_at = now;
    }

    /// Handles a lease of an active node that has ended, or ends too soon to be renewed.
    pub(super) fn lapse(&mut self, now: Time) {
        let taken = self.peer_leases.end(now).is_some() && (self.yielded || !self.settings.preempt);
        if taken {
            self.active = self.peer_leases.last(now).map(|(from, _)| from);
            self.step_down(Role::Backup, now);
        } else {
            self.actions.push_back(Action::Lease(Time::ZERO));
            self.claim(now);
        }
    }

    /// Stops forwarding, then announces it.
    pub(super) fn step_down(&mut self, role: Role, now: Time) {
        self.settle_actions();
        self.lease_state = LeaseState::default();
        self.actions.push_back(Action::Lease(Time::ZERO));
        if std::mem::take(&mut self.known) {
            let (token, interval) = (self.token(), self.settings.interval);
            self.actions.push_back(Action::Advertise { token, priority: 0, interval });
        }
        if std::mem::take(&mut self.addresses) {
            self.actions.push_back(Action::RemoveAddresses);
        }
        self.enter(role, now);
        self.interval = self.settings.interval;
        self.timer = now + self.interval.down(self.priority());
    }

    pub(super) fn enter(&mut self, role: Role, now: Time) {
        if self.role != role {
            self.role = role;
            self.since = now;
            self.preempt_from = None;
            self.conflict.end();
            if role != Role::Backup {
                self.active = None;
            }
            if role == Role::Active {
                self.deaf_peer = None;
            }
            if !matches!(role, Role::Claiming | Role::Active) {
                self.deaf.forget();
            }
        }
    }

    /// Drops all pending actions except those that take something away.
    pub(super) fn settle_actions(&mut self) {
        self.actions.retain(|action| {
            matches!(
                action,
                Action::Lease(Time::ZERO) | Action::Advertise { priority: 0, .. } | Action::RemoveAddresses
            )
        });
    }

    /// Requests an advertisement. Everything that arrived before `drained` is known.
    pub(super) fn advertise(&mut self, drained: Time, interval: Interval) {
        let (token, priority) = (self.token(), self.priority().get());
        self.lease_state.sent(token, interval, drained);
        self.actions.push_back(Action::Advertise { token, priority, interval });
        self.advertised = Some(drained);
        self.known = true;
    }

    pub(super) fn advertise_soon(&mut self, now: Time) {
        let soon = self.advertised.map_or(now, |advertised| now.max(advertised + ANSWERS));
        self.advertise_at = self.advertise_at.min(soon);
    }

    pub(super) fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }
}
