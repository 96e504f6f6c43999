//! The task that follows `hardware_vtep`: what the server tells becomes rows, and what the gateway has to say is written,
//! one transaction at a time.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::rows::Rows;
use crate::{
    config::DatabaseConfig,
    ovsdb::{Client, Event, Events, Operation, OperationResult, TransactError},
    vtep::{
        Faults, Hold, Identity, LocalMac, Mapping, Mirror, Notice, Publisher, Standing, TrafficByBinding, View,
        register, report_faults, report_traffic, rows::Row,
    },
};

/// Operations in a transaction at most.
const BATCH: usize = 2000;
/// How long nothing is written after a transaction was refused.
const RETRY: Duration = Duration::from_secs(1);

/// What the agent tells.
pub(super) enum Told {
    /// The configuration was read again.
    Configuration(Box<(Identity, DatabaseConfig)>),
    /// These stations are on the VLANs.
    Stations(BTreeSet<LocalMac>),
    /// So much have the bindings carried.
    Traffic(TrafficByBinding),
    /// These remote VTEPs can't be reached.
    Unreachable(BTreeSet<IpAddr>),
}

type Outcome = Result<Vec<OperationResult>, TransactError>;
type Transaction = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The state of the task.
pub(super) struct Follower {
    client: Client,
    identity: Identity,
    mirror: Mirror,
    mapping: Mapping,
    hold: Hold,
    publisher: Publisher,
    traffic: TrafficByBinding,
    rows: watch::Sender<Arc<Rows>>,
    known: Arc<AtomicBool>,
    start: Instant,
    /// The server is there, and its picture complete.
    up: bool,
    /// Told already.
    problems: BTreeSet<String>,
    down: Option<String>,
    refusal: Option<String>,
    /// Not before this is anything written.
    retry: Option<Instant>,
    transaction: Option<Transaction>,
}

impl Follower {
    pub(super) fn new(
        client: Client,
        identity: Identity,
        database: &DatabaseConfig,
        rows: watch::Sender<Arc<Rows>>,
        known: Arc<AtomicBool>,
    ) -> Self {
        Self {
            client,
            mirror: Mirror::default(),
            mapping: Mapping::new(identity.clone(), database.learn_limit),
            hold: Hold::new(database.hold_time, Duration::ZERO),
            publisher: Publisher::new(identity.clone()),
            identity,
            traffic: TrafficByBinding::new(),
            rows,
            known,
            start: Instant::now(),
            up: false,
            problems: BTreeSet::new(),
            down: None,
            refusal: None,
            retry: None,
            transaction: None,
        }
    }

    /// Follows until the agent is gone.
    pub(super) async fn run(mut self, mut events: Events<Row>, mut told: mpsc::UnboundedReceiver<Told>) {
        loop {
            self.write();
            let (deadline, retry) = (self.hold.deadline().map(|at| self.start + at), self.retry);
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.event(event),
                    None => return,
                },
                what = told.recv() => match what {
                    Some(what) => self.told(what),
                    None => return,
                },
                outcome = finished(self.transaction.as_mut()) => self.written(outcome),
                () = until(deadline) => {
                    let notice = self.hold.tick(self.start.elapsed());
                    self.follow(notice);
                }
                () = until(retry) => self.retry = None,
            }
        }
    }

    fn event(&mut self, event: Event<Row>) {
        match event {
            Event::Up { remote, schema_version, missing } => {
                tracing::info!(%remote, %schema_version, "database reached");
                for what in missing {
                    tracing::warn!("the database has no {what}: an older schema; what depends on it is left out");
                }
                self.down = None;
                self.publisher.touch_everything(&self.mirror);
            }
            Event::Changes(changes) => {
                self.up = true;
                let touched = self.mirror.apply(changes);
                self.mapping.update(&self.mirror, &touched);
                self.publisher.touch(&touched);
                for row in &touched.unreadable {
                    // The mirror tells of each only once.
                    tracing::warn!(table = %row.table, uuid = %row.uuid, "a row of the database is left out: {}", row.error);
                }
                let standing = Standing::of(&self.mirror, &self.identity);
                tracing::debug!(?standing, "the database has changed");
                let rows = Arc::clone(self.mapping.rows());
                let notice = self.hold.picture(&rows, standing, self.start.elapsed());
                self.known.store(true, Ordering::Release);
                self.follow(notice);
                self.tell_problems();
            }
            Event::BadRow { table, uuid, error } => {
                tracing::warn!(%table, %uuid, "a row of the database is left out: {error}");
            }
            Event::Down { remote, reason } => {
                self.up = false;
                // The same over and over, while it lasts, is told once.
                if self.down.as_ref() != Some(&reason) {
                    tracing::warn!(%remote, "the database can't be reached, trying on: {reason}");
                    self.down = Some(reason);
                }
                let notice = self.hold.gone(self.start.elapsed());
                self.follow(notice);
            }
        }
    }

    fn told(&mut self, what: Told) {
        match what {
            Told::Configuration(new) => {
                let (identity, database) = *new;
                self.hold.set_hold_time(database.hold_time);
                self.mapping.reconfigure(&self.mirror, identity.clone(), database.learn_limit);
                self.publisher.reconfigure(&self.mirror, identity.clone());
                self.identity = identity;
                self.refollow();
            }
            Told::Stations(stations) => self.publisher.replace(&self.mirror, stations),
            Told::Traffic(traffic) => self.traffic = traffic,
            Told::Unreachable(remotes) => {
                self.mapping.set_unreachable(&self.mirror, remotes);
                self.refollow();
            }
        }
    }

    /// The mapping has changed, though the database has not.
    fn refollow(&mut self) {
        if self.up {
            let standing = Standing::of(&self.mirror, &self.identity);
            let rows = Arc::clone(self.mapping.rows());
            let notice = self.hold.picture(&rows, standing, self.start.elapsed());
            self.follow(notice);
        }
    }

    /// Hands on the rows in force, where they have changed.
    fn follow(&mut self, notice: Option<Notice>) {
        match notice {
            Some(Notice::Restored) => tracing::info!("{}", Notice::Restored),
            Some(notice) => tracing::warn!("{notice}"),
            None => {}
        }
        if !self.known.load(Ordering::Acquire) {
            return;
        }
        let rows = self.hold.rows();
        self.rows.send_if_modified(|old| {
            let changed = !Arc::ptr_eq(old, rows);
            if changed {
                *old = Arc::clone(rows);
            }
            changed
        });
    }

    fn tell_problems(&mut self) {
        let now: BTreeSet<String> = self.mapping.problems().map(ToString::to_string).collect();
        for problem in now.difference(&self.problems) {
            tracing::warn!("{problem}");
        }
        for problem in self.problems.difference(&now) {
            tracing::info!("no longer: {problem}");
        }
        self.problems = now;
    }

    /// Starts the next transaction, if there is something to write and none is on its way.
    fn write(&mut self) {
        if !self.up || self.transaction.is_some() || self.retry.is_some() {
            return;
        }
        let operations = self.next();
        if operations.is_empty() {
            return;
        }
        tracing::debug!(operations = operations.len(), "writing to the database");
        let client = self.client.clone();
        self.transaction = Some(Box::pin(async move { client.transact(operations).await }));
    }

    fn next(&mut self) -> Vec<Operation> {
        let operations = register(&self.identity, &self.mirror);
        if !operations.is_empty() {
            return operations;
        }
        let view = View { mirror: &self.mirror, mapping: &self.mapping, rows: self.hold.rows() };
        let operations = self.publisher.next(view, BATCH);
        if !operations.is_empty() {
            return operations;
        }
        let faults: Faults = self.mapping.faults();
        let operations = report_faults(&self.identity, &self.mirror, &faults);
        if !operations.is_empty() {
            return operations;
        }
        report_traffic(&self.identity, &self.mirror, &self.traffic, BATCH)
    }

    fn written(&mut self, outcome: Outcome) {
        self.transaction = None;
        self.publisher.done(outcome.is_ok());
        match outcome {
            Ok(_) => self.refusal = None,
            // What is to be done is found anew when the connection is back.
            Err(TransactError::Down { .. }) => {}
            Err(error) => {
                let refusal = error.to_string();
                if self.refusal.as_ref() != Some(&refusal) {
                    tracing::warn!("{refusal}; trying again");
                    self.refusal = Some(refusal);
                }
                self.retry = Some(Instant::now() + RETRY);
            }
        }
    }
}

async fn finished(transaction: Option<&mut Transaction>) -> Outcome {
    match transaction {
        Some(transaction) => transaction.await,
        None => std::future::pending().await,
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
