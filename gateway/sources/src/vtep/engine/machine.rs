//! [`Engine`]: the events and calls that one gateway's database handles.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use gateway_common::net::{MacAddr, Vni};
use gateway_config::rows::Rows;
use gateway_ovsdb::{Event, LockRequest, Operation, TransactError};

use super::{
    forwarding::Forwarding,
    log::{Log, LogLine},
    settings::Settings,
    status::Status,
    writer::Writer,
};
use crate::vtep::{Faults, LocalMac, Touched, TrafficByBinding, outage::Outage, rows::Row};

/// One gateway's database: the rows to forward by, and the transactions to send.
#[derive(Debug)]
pub struct Engine {
    forwarding: Forwarding,
    writer: Writer,
    /// The server and the version of its schema, while connected.
    up: Option<(String, String)>,
    /// True if the complete contents were received on this connection.
    complete: bool,
    outage: Outage,
    log: Log,
}

impl Engine {
    /// Creates an engine that knows nothing yet at `now`. Times are relative to some fixed moment.
    pub fn new(settings: Settings, now: Duration) -> Self {
        Self {
            forwarding: Forwarding::new(&settings, now),
            writer: Writer::new(settings.identity),
            up: None,
            complete: false,
            outage: Outage::default(),
            log: Log::default(),
        }
    }

    /// Returns the rows to forward by.
    pub fn rows(&self) -> &Arc<Rows> {
        self.forwarding.rows()
    }

    /// Returns the status at `now`.
    pub fn status(&self, now: Duration) -> Status {
        let (remote, schema_version) = self.up.clone().unzip();
        Status {
            remote,
            schema_version,
            hold: self.forwarding.state(now),
            unreadable: self.forwarding.mirror().unreadable(),
            problems: self.forwarding.problems().clone(),
            faults: self.writer.trouble().clone(),
            lock: self.writer.lock_state(),
            unreachable: self.outage.last().filter(|_| self.up.is_none()).cloned(),
        }
    }

    /// Returns the name of the lock that is held while this gateway writes.
    pub fn lock(&self) -> String {
        self.writer.lock_name()
    }

    /// Returns the next request about the lock, if there is one.
    pub(crate) fn lock_request(&mut self) -> Option<LockRequest> {
        if self.complete { self.writer.lock_request() } else { None }
    }

    /// Removes and returns the log lines since the last call.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.log.take()
    }

    /// Applies new settings.
    pub fn reconfigure(&mut self, settings: Settings, now: Duration) {
        self.forwarding.reconfigure(&settings);
        self.writer.reconfigure(settings.identity, self.forwarding.mirror(), now, &mut self.log);
        self.follow(now);
    }

    /// Sets the stations that were learned on access ports, replacing all others.
    pub(crate) fn set_local(&mut self, all: impl IntoIterator<Item = LocalMac>) {
        self.writer.publisher.replace(self.forwarding.mirror(), all);
    }

    /// Records that a station was learned on an access port, or that its address became known.
    pub fn learn(&mut self, station: LocalMac) {
        self.writer.publisher.learn(station);
    }

    /// Records that a station is no longer on an access port.
    pub fn forget(&mut self, vni: Vni, mac: MacAddr) {
        self.writer.publisher.forget(vni, mac);
    }

    /// Sets whether this node writes. If not, all writes are left to another node, which acts as this gateway now.
    pub(crate) fn set_writing(&mut self, writing: bool) {
        self.writer.set_active(writing, self.forwarding.mirror());
    }

    /// Sets the counters of the bindings.
    pub(crate) fn set_traffic(&mut self, traffic: TrafficByBinding) {
        self.writer.set_traffic(traffic);
    }

    /// Sets the current faults, besides those in the database's own contents.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.writer.set_faults(faults);
    }

    /// Sets the remote VTEPs that cannot be reached. None of them is chosen as a service node if there is another.
    pub(crate) fn set_unreachable(&mut self, unreachable: BTreeSet<IpAddr>, now: Duration) {
        self.forwarding.set_unreachable(unreachable);
        self.follow(now);
    }

    /// Processes an event of the client.
    pub fn event(&mut self, event: Event<Row>, now: Duration) {
        match event {
            Event::Up { remote, schema_version, missing } => {
                self.log_up(&remote, &schema_version, &missing);
                self.writer.connected(missing);
                self.up = Some((remote, schema_version));
                self.outage.over();
            }
            Event::Changes(changes) => {
                let touched = self.forwarding.apply(changes, &mut self.log);
                self.changed(&touched, now);
            }
            Event::BadRow { table, uuid, error } => {
                self.log.warn(format!("row {uuid} of {table} in the database is skipped: {error}"));
            }
            Event::Lock(lock) => {
                self.writer.lock_reported(lock, self.forwarding.mirror(), now, &mut self.log);
            }
            Event::Down { remote, reason, cause } => {
                self.up = None;
                self.complete = false;
                self.writer.disconnected(now, &mut self.log);
                if self.outage.down(&remote, &reason, cause, now) {
                    self.log.warn(format!("no connection to the database at {remote}: {reason}; retrying"));
                }
                self.forwarding.gone(now, &mut self.log);
            }
        }
    }

    fn changed(&mut self, touched: &Touched, now: Duration) {
        let mirror = self.forwarding.mirror();
        self.writer.publisher.touch(mirror, touched);
        if !self.complete {
            self.complete = true;
            self.writer.publisher.was_at(self.forwarding.former_addresses());
            // The requests on the last connection may have taken effect or not.
            self.writer.publisher.touch_everything(mirror);
        }
        self.follow(now);
    }

    /// Updates the rows in force, once the contents are complete.
    fn follow(&mut self, now: Duration) {
        if self.complete && self.forwarding.follow(now, &mut self.log) {
            // The set of remote MACs depends on the held rows.
            self.writer.publisher.touch_everything(self.forwarding.mirror());
        }
    }

    /// Processes timeouts at `now`.
    pub fn tick(&mut self, now: Duration) {
        if self.forwarding.tick(now, &mut self.log) {
            self.writer.publisher.touch_everything(self.forwarding.mirror());
        }
        self.writer.evaluate(now, &mut self.log);
    }

    /// Returns the time at which there is something to do even without events.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let write = if self.complete { self.writer.deadline(now) } else { None };
        write.into_iter().chain(self.writer.lock_deadline(now)).chain(self.forwarding.deadline()).min()
    }

    /// Returns the next transaction, if there is one to send. Its [outcome](Self::outcome) has to be reported before
    /// the next one.
    pub fn transaction(&mut self, now: Duration) -> Option<Vec<Operation>> {
        if self.complete { self.writer.transaction(&self.forwarding, now) } else { None }
    }

    /// Processes the outcome of the last transaction. Its changes were reported as an [event](Self::event) before.
    pub fn outcome(&mut self, outcome: Result<(), TransactError>, now: Duration) {
        self.writer.outcome(outcome, now, &mut self.log);
    }

    fn log_up(&mut self, remote: &str, schema_version: &str, missing: &[String]) {
        self.log.info(format!("connected to the database at {remote}, schema version {schema_version}"));
        if !missing.is_empty() {
            self.log.warn(format!(
                "the database at {remote}, schema version {schema_version}, lacks {}: what they are for does not work",
                missing.join(", ")
            ));
        }
    }
}
