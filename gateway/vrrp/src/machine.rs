//! State machine of one virtual router (RFC 9568 section 6.4), and the lease under which the data plane forwards.
//!
//! ```text
//!   Starting ──▶ Backup ◀──────────────────┐ higher precedence, handover
//!      │           │ timer                 │
//!      │           ▼      nobody else may  │
//!      └──255──▶ Claiming ────forward────▶ Active      Fault: from any state, and back to Backup
//!                  ▲                       │
//!                  └──── lease lapsed ─────┘
//! ```
//!
//! Claiming is the RFC's Active state as seen by other nodes: the node advertises and answers. It does not forward,
//! because the node that was active before may still forward, or another node may claim as well. The consequences, in
//! order of importance:
//!
//! - A lease ends before the hold that its advertisement gave to the other nodes ([`LeaseState`], [`PeerLeases`]).
//! - All that has arrived is known before anything is decided. Only [`Machine::tick`] advertises, claims and gives up a
//!   lease that has lapsed, and it is called after everything was read.
//! - Everything that takes something away is done at once, from any state, and the lease is ended first. Only then does
//!   priority 0 tell the other nodes that they need not wait. A node that was only claiming sends it as well, because
//!   other nodes take it for active.
//! - A process that starts knows no other node. A node that advertises every second or faster may forward for up to
//!   three seconds. A new process therefore does not forward before that, however short its own interval is. Priority
//!   255 is the exception: it claims at once, as RFC 9568 section 6.4.1 requires, and so relies on the other nodes to
//!   be responsive and yield.
//! - After priority 0 nothing is advertised for a moment, because the two could arrive in the wrong order.
//! - A node that goes on advertising although this node has precedence does not receive its advertisements ([`Deaf`]).
//!   The role is left to that node.

mod backup;
mod precedence;
mod settings;
mod status;
mod transitions;

use std::{cmp::Ordering, collections::VecDeque, net::IpAddr, time::Duration};

use super::{
    Action, Interval, Leave, PeerAdvert, Priority, Role, Time, Token, Tracked, Version,
    address_conflict::AddressConflict,
    deaf::Deaf,
    lease_state::LeaseState,
    peer_leases::{PeerLeases, longest},
};

pub use settings::Settings;

/// Least time between an advertisement and a following one that is not periodic.
const ANSWERS: Duration = Duration::from_millis(10);

/// Silence after priority 0, longer than [`super::DELAY`].
const SILENCE: Duration = Duration::from_millis(5);

/// Least interval that is advertised when a node leaves to come back. It has three of them to do so.
const KEEP: Interval = Interval::DEFAULT;

/// One virtual router. Times are those of CLOCK_MONOTONIC.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
    tracked: Tracked,
    role: Role,
    since: Time,
    peer_leases: PeerLeases,
    lease_state: LeaseState,
    actions: VecDeque<Action>,
    next_token: u64,
    /// The latest tick: everything that arrived before it is known.
    drained: Time,
    /// End of Starting (Starting), or the time at which the active node is considered gone (Backup).
    timer: Time,
    /// The active node (Backup).
    active: Option<IpAddr>,
    /// The active node's interval (Backup).
    interval: Interval,
    /// Time from which a node of lower priority may be preempted; `None` while none is active.
    preempt_from: Option<Time>,
    /// The role was given away on request, and is not taken back from the node that has it.
    yielded: bool,
    /// Time of the next advertisement (Claiming, Active).
    advertise_at: Time,
    /// Time of the latest advertisement.
    advertised: Option<Time>,
    /// Other nodes were sent a priority above 0, and have not been sent priority 0 since.
    known: bool,
    /// Nothing is sent before this time.
    silent_until: Time,
    /// Priority 0 was sent since the last tick, or possibly before the process started. The silence starts now.
    silence: bool,
    /// Conflict with another node that has advertised the addresses while this node had them (Active).
    conflict: AddressConflict,
    /// Nodes that should have stopped (Claiming, Active).
    deaf: Deaf,
    /// The node to which the role was left, because it does not receive this node's advertisements.
    deaf_peer: Option<IpAddr>,
    /// The virtual addresses have been requested.
    addresses: bool,
    leaving: bool,
}

impl Machine {
    /// Creates the state at the start of the process. `resume` is the end of a lease that still runs: the node is then
    /// active, as if it had never been away. Otherwise everything that an earlier process has left is removed.
    pub fn new(settings: Settings, now: Time, resume: Option<Time>) -> Self {
        let mut machine = Self {
            settings,
            tracked: Tracked::default(),
            role: Role::Starting,
            since: now,
            peer_leases: PeerLeases::default(),
            lease_state: LeaseState::default(),
            actions: VecDeque::new(),
            next_token: 0,
            drained: now,
            timer: now + settings.startup_delay,
            active: None,
            interval: settings.interval,
            preempt_from: None,
            yielded: false,
            advertise_at: now,
            advertised: None,
            known: false,
            silent_until: Time::ZERO,
            silence: true,
            conflict: AddressConflict::default(),
            deaf: Deaf::default(),
            deaf_peer: None,
            addresses: false,
            leaving: false,
        };
        match resume {
            Some(end) if plausible(end, now) => {
                machine.lease_state = LeaseState::resumed(end);
                machine.enter(Role::Active, now);
                machine.silence = false;
                machine.known = true;
                machine.addresses = true;
                machine.actions.extend([Action::AddAddresses, Action::Announce]);
            }
            _ => {
                machine.actions.extend([Action::Lease(Time::ZERO), Action::RemoveAddresses]);
                if settings.priority != Priority::OWNER {
                    machine.peer_leases.started(now + settings.interval.max(KEEP).three());
                }
                if settings.startup_delay.is_zero() {
                    machine.begin(now);
                }
            }
        }
        machine
    }

    /// Changes the configuration. It takes effect at the next tick, which is due at once. An active node advertises it
    /// then.
    pub fn reconfigure(&mut self, settings: Settings, now: Time) {
        let before = self.priority();
        let old = std::mem::replace(&mut self.settings, settings);
        self.reprioritized(before);
        match self.role {
            Role::Starting => self.timer = self.timer.min(self.since + settings.startup_delay),
            Role::Claiming | Role::Active if old != settings => self.advertise_at = now,
            Role::Backup if self.active.is_none() => self.interval = settings.interval,
            _ => {}
        }
    }

    /// Handles a valid advertisement of another router that arrived `at`, possibly a while ago.
    pub fn advert_received(&mut self, advert: PeerAdvert, at: Time) {
        if advert.from == self.settings.own || self.leaving {
            return;
        }
        let precedence = self.precedence(advert);
        let whole = self.role == Role::Active && precedence != Ordering::Greater && self.lease_state.is_whole(at);
        self.peer_leases.advert_received(advert, at, self.settings.interval, whole);
        if advert.priority == 0 {
            self.deaf.answered(advert.from);
            self.deaf_peer = self.deaf_peer.filter(|from| *from != advert.from);
        }
        match self.role {
            Role::Starting | Role::Fault => {}
            Role::Backup => self.backup_received(advert, at),
            Role::Claiming | Role::Active => match precedence {
                Ordering::Greater => {
                    self.step_down(Role::Backup, at);
                    self.follow(advert, at);
                }
                _ if self.is_deaf(advert, at) => {
                    self.step_down(Role::Backup, at);
                    self.follow(advert, at);
                    self.deaf_peer = Some(advert.from);
                    self.preempt_from = Some(at + self.settings.retry);
                }
                // RFC 9568 section 6.4.3, (805) and (820): priority 0 and a lower one are answered.
                _ => {
                    if self.role == Role::Active {
                        self.conflict.advert_received();
                    }
                    self.advertise_soon(at);
                }
            },
        }
    }

    /// Handles a socket that had no room for all packets: an unknown node may have become active.
    pub fn overran(&mut self, now: Time) {
        self.peer_leases.unknown(now + longest(self.settings.interval));
    }

    /// Handles a suspension of the whole machine, which has just ended. CLOCK_MONOTONIC stood still, and the lease with
    /// it, so the times for which it was granted are over. Other nodes may have become active without this node hearing
    /// of it.
    pub fn slept(&mut self, now: Time) {
        self.overran(now);
        match self.role {
            Role::Starting | Role::Fault => {}
            Role::Backup => self.timer = self.timer.max(now + self.interval.down(self.priority())),
            Role::Claiming | Role::Active => self.step_down(Role::Backup, now),
        }
    }

    /// Handles a change of the tracked state.
    pub fn track(&mut self, tracked: Tracked, now: Time) {
        if self.tracked == tracked || self.leaving {
            return;
        }
        let before = self.priority();
        self.tracked = tracked;
        self.reprioritized(before);
        match self.role {
            Role::Starting => {}
            Role::Fault if !tracked.fault => self.begin(now),
            Role::Fault => {}
            _ if tracked.fault => self.step_down(Role::Fault, now),
            Role::Claiming | Role::Active if self.priority() != before => self.advertise_soon(now),
            _ => {}
        }
    }

    /// Gives the role away. Preemption does not take it back until this node has been active again.
    pub fn handover(&mut self, now: Time) {
        if self.leaving {
            return;
        }
        self.yielded = true;
        if matches!(self.role, Role::Claiming | Role::Active) {
            self.step_down(Role::Backup, now);
        }
    }

    /// Prepares the end of the process. It is best called after a tick, in the same turn, because a lease that is kept
    /// counts from the latest tick. The actions that follow are to be performed until [`Self::finished`].
    pub fn leave(&mut self, how: Leave, now: Time) {
        if self.leaving {
            return;
        }
        match (how, self.role) {
            (Leave::Keep, Role::Active) => {
                let interval = match self.settings.version {
                    Version::V2 => self.settings.interval,
                    Version::V3 => self.settings.interval.max(KEEP),
                };
                self.advertise(self.drained, interval);
            }
            (_, Role::Claiming | Role::Active) => self.step_down(Role::Backup, now),
            _ => {}
        }
        self.leaving = true;
    }

    /// Returns true if everything is done after [`Self::leave`], except actions not yet taken by [`Self::next`].
    pub fn finished(&self) -> bool {
        self.leaving && self.actions.is_empty() && !self.lease_state.waits()
    }

    /// Advances the time. Everything that arrived before `now` must be passed to [`Self::advert_received`] first.
    pub fn tick(&mut self, now: Time) {
        self.drained = self.drained.max(now);
        if self.leaving {
            return;
        }
        if std::mem::take(&mut self.silence) {
            self.silent_until = now + SILENCE;
        }
        match self.role {
            Role::Starting if self.timer <= now => self.begin(now),
            Role::Backup if self.backup_due() <= now => self.claim(now),
            Role::Active if self.lease_state.lapsed(now) => self.lapse(now),
            _ => {}
        }
        if !matches!(self.role, Role::Claiming | Role::Active) {
            return;
        }
        if self.awaited(now).is_none()
            && let Some(end) = self.lease_state.claim(now)
        {
            self.actions.push_back(Action::Lease(end));
            if self.role == Role::Claiming {
                self.actions.push_back(Action::Announce);
                self.yielded = false;
                self.enter(Role::Active, now);
            }
        }
        if self.role == Role::Active && self.conflict.settle(now, self.peer_leases.end(now).is_none()) {
            self.actions.push_back(Action::Announce);
        }
        if self.advertise_at.max(self.silent_until) <= now {
            self.advertise(now, self.settings.interval);
            self.advertise_at = now + self.settings.interval.duration();
            if !self.addresses {
                self.addresses = true;
                self.actions.push_back(Action::AddAddresses);
            }
        }
    }

    /// Handles the report that an advertisement was transmitted before `now`. `started` was read before the
    /// advertisement was handed to the kernel.
    pub fn tx_completed(&mut self, token: Token, started: Time, now: Time) {
        if let Some(end) = self.lease_state.tx_completed(token, started, now, self.settings.lag) {
            self.actions.push_back(Action::Lease(end));
        }
    }

    /// Handles an advertisement that could not be sent. Another one is tried soon, before the interval has passed.
    pub fn failed(&mut self, token: Token, now: Time) {
        if self.lease_state.failed(token) && !self.leaving {
            let soon = now + ANSWERS.max(self.settings.interval.duration() / 4);
            self.advertise_at = self.advertise_at.min(soon);
        }
    }

    /// Returns the next action. Actions are to be performed in order.
    #[expect(clippy::should_implement_trait, reason = "more actions come after the last one")]
    pub fn next(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        // The next tick comes after this action was carried out.
        self.silence |= matches!(action, Some(Action::Advertise { priority: 0, .. }));
        action
    }
}

/// Returns true if the end of a resumed lease is possible: no lease is longer than three of the longest intervals.
fn plausible(end: Time, now: Time) -> bool {
    const LONGEST: Duration = Duration::from_millis(4095 * 30);
    end > now && end <= now + LONGEST
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
