//! Decides what this gateway writes to the database, and when.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gateway_ovsdb::{Lock, LockRequest, Operation, TransactError};

use super::{forwarding::Forwarding, kind::Kind, log::Log, own_rows::OwnRows, write_faults};
use crate::vtep::{
    Faults, Identity, LockState, Mirror, Publisher, TrafficByBinding,
    locking::{self, Locking},
    pace::Pace,
    report_faults, report_traffic,
};

/// Limit of operations in a transaction, without guards.
const BATCH: usize = 1000;

/// State of writing. One transaction is sent at a time.
#[derive(Debug)]
pub(super) struct Writer {
    identity: Identity,
    /// True if this node writes, and not another node of the same name.
    active: bool,
    locking: Locking,
    pub(super) publisher: Publisher,
    own_rows: OwnRows,
    traffic: Option<TrafficByBinding>,
    faults: Faults,
    /// Tables and columns that the schema lacks.
    missing: BTreeSet<String>,
    /// Kind of the transaction whose outcome is not known yet.
    pending: Option<Kind>,
    /// Paces by [`Kind`].
    paces: [Pace; Kind::ALL.len()],
    /// Last refusal of each kind, which is logged once.
    refusals: BTreeMap<Kind, String>,
    /// Current faults that prevent this gateway from writing.
    trouble: BTreeSet<String>,
}

impl Writer {
    /// Creates the state of the gateway `identity`, which has written nothing yet.
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            publisher: Publisher::new(identity.clone()),
            identity,
            active: true,
            locking: Locking::default(),
            own_rows: OwnRows::default(),
            traffic: None,
            faults: Faults::default(),
            missing: BTreeSet::new(),
            pending: None,
            paces: [Pace::default(); Kind::ALL.len()],
            refusals: BTreeMap::new(),
            trouble: BTreeSet::new(),
        }
    }

    /// Returns the current faults that prevent this gateway from writing.
    pub(super) fn trouble(&self) -> &BTreeSet<String> {
        &self.trouble
    }

    /// Returns the state of the lock.
    pub(super) fn lock_state(&self) -> LockState {
        self.locking.state()
    }

    /// Returns the name of the lock that is held while this gateway writes.
    pub(super) fn lock_name(&self) -> String {
        locking::name(&self.identity.name)
    }

    /// Returns the next request about the lock, if there is one.
    pub(super) fn lock_request(&mut self) -> Option<LockRequest> {
        self.locking.request(self.active)
    }

    /// Applies a new identity. Writes again all that was left to another writer.
    pub(super) fn reconfigure(&mut self, identity: Identity, mirror: &Mirror, now: Duration, log: &mut Log) {
        self.identity = identity.clone();
        self.publisher.reconfigure(mirror, identity);
        self.insist();
        self.evaluate(now, log);
    }

    /// Sets whether this node writes. If not, all writes are left to another node, which writes as this gateway now.
    pub(super) fn set_active(&mut self, active: bool, mirror: &Mirror) {
        if active && !self.active {
            // The other node may have written in the meantime. It may have gone without releasing the lock.
            self.publisher.touch_everything(mirror);
            self.insist();
            self.locking.take_over();
        }
        self.active = active;
    }

    /// Sets the counters of the bindings.
    pub(super) fn set_traffic(&mut self, traffic: TrafficByBinding) {
        self.traffic = Some(traffic);
    }

    /// Sets the current faults, besides those in the database's own contents.
    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Records a new connection, to a server whose schema lacks these tables and columns.
    pub(super) fn connected(&mut self, missing: Vec<String>) {
        self.missing = missing.into_iter().collect();
        self.locking.reset();
    }

    /// Records that the connection is lost.
    pub(super) fn disconnected(&mut self, now: Duration, log: &mut Log) {
        self.locking.reset();
        self.evaluate(now, log);
    }

    /// Processes the state of the lock that the server reports.
    pub(super) fn lock_reported(&mut self, lock: Lock, mirror: &Mirror, now: Duration, log: &mut Log) {
        if !self.locking.reported(lock, now) {
            return;
        }
        let name = self.lock_name();
        match self.locking.state() {
            LockState::Held => {
                log.info(format!("this gateway writes to the database, it holds the lock {name}"));
                // The last holder may have written in the meantime.
                self.publisher.touch_everything(mirror);
            }
            LockState::Waiting { .. } => log.info(format!(
                "another client of the database holds the lock {name}: nothing is written before it is free"
            )),
            LockState::Unsupported => {
                log.debug("the server has no locks: who else writes as this gateway is found out only afterwards");
            }
            LockState::None | LockState::Asked | LockState::Stolen { .. } => {}
        }
        self.evaluate(now, log);
    }

    /// Writes again all that was left to another writer.
    fn insist(&mut self) {
        self.publisher.insist();
        self.own_rows.insist();
    }

    /// Updates the faults that prevent this gateway from writing, and logs their changes.
    pub(super) fn evaluate(&mut self, now: Duration, log: &mut Log) {
        let trouble = self.trouble_at(now);
        log.changes(&self.trouble, &trouble);
        self.trouble = trouble;
    }

    fn trouble_at(&self, now: Duration) -> BTreeSet<String> {
        let name = &self.identity.name;
        let lock = self.locking.is_kept_out(now).then(|| self.locking.state());
        let lock = lock.map(|state| write_faults::kept_out(name, &self.lock_name(), state));
        let own = self.own_rows.lost().map(|(own, rival)| write_faults::own_rows_in_conflict(name, own, rival));
        let published = (self.publisher.lost() > 0).then(|| write_faults::published_in_conflict(name));
        lock.into_iter().chain(own).chain(published).collect()
    }

    fn may_write(&self) -> bool {
        self.active && self.pending.is_none() && self.locking.lets_write()
    }

    /// Returns the time at which there is something to write even without events.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        if !self.may_write() {
            return None;
        }
        let paced = self.paces.iter().filter(|pace| !pace.is_due(now)).map(|pace| pace.due());
        // Work that is already due waits for its pace.
        let later = self.publisher.deadline().into_iter().chain(self.own_rows.deadline()).filter(|due| *due > now);
        paced.chain(later).min()
    }

    /// Returns the time at which the lock of another client becomes a fault.
    pub(super) fn lock_deadline(&self, now: Duration) -> Option<Duration> {
        self.locking.deadline().filter(|due| *due > now)
    }

    /// Returns the next transaction, if there is one to send.
    pub(super) fn transaction(&mut self, forwarding: &Forwarding, now: Duration) -> Option<Vec<Operation>> {
        if !self.may_write() {
            return None;
        }
        for kind in Kind::ALL {
            if !self.paces[kind as usize].is_due(now) {
                continue;
            }
            let mut operations = self.operations(kind, forwarding, now);
            if !operations.is_empty() {
                self.pending = Some(kind);
                if self.locking.state() == LockState::Held {
                    operations.insert(0, Operation::Assert(self.lock_name()));
                }
                return Some(operations);
            }
        }
        None
    }

    fn operations(&mut self, kind: Kind, forwarding: &Forwarding, now: Duration) -> Vec<Operation> {
        let (identity, mirror) = (&self.identity, forwarding.mirror());
        let lacks = |what: &str| self.missing.iter().any(|missing| missing.contains(what));
        match kind {
            Kind::Register => self.own_rows.repair(identity, mirror, now),
            Kind::Publish => self.publisher.next(forwarding.view(), BATCH, now),
            Kind::Faults if lacks("fault_status") => Vec::new(),
            Kind::Faults => report_faults(identity, mirror, &forwarding.faults().union(self.faults.clone())),
            Kind::Traffic if lacks("vlan_stats") || lacks("Logical_Binding_Stats") => Vec::new(),
            Kind::Traffic => match &self.traffic {
                Some(traffic) => report_traffic(identity, mirror, traffic, BATCH),
                None => Vec::new(),
            },
        }
    }

    /// Processes the outcome of the last transaction.
    pub(super) fn outcome(&mut self, outcome: Result<(), TransactError>, now: Duration, log: &mut Log) {
        let Some(kind) = self.pending.take() else { return };
        if kind == Kind::Publish {
            self.publisher.done(outcome.is_ok(), now);
        }
        match outcome {
            Ok(()) => {
                let factor = if kind == Kind::Register { self.own_rows.done(now) } else { 1 };
                self.paces[kind as usize].done(now, kind.interval() * factor);
                self.refusals.remove(&kind);
                self.evaluate(now, log);
            }
            Err(error) => {
                self.paces[kind as usize].failed(now);
                self.log_failure(kind, &error, log);
            }
        }
    }

    fn log_failure(&mut self, kind: Kind, error: &TransactError, log: &mut Log) {
        let text = format!("{}: {error}", kind.purpose());
        match error {
            // Another writer was faster, which the next comparison takes into account; or the connection is lost, which
            // is reported as an event.
            TransactError::TimedOut { .. }
            | TransactError::Constraint { .. }
            | TransactError::Down { .. }
            | TransactError::NotOwner => log.debug(text),
            TransactError::Refused { .. } | TransactError::Unreadable(_) => {
                if self.refusals.insert(kind, text.clone()).as_ref() != Some(&text) {
                    log.warn(text);
                }
            }
        }
    }
}
