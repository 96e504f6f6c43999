//! Feeds the engine with events, input and the time.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use gateway_config::rows::Rows;
use gateway_ovsdb::{Client, Events, TransactError};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    inbox::{Inbox, Pending},
    state,
};
use crate::vtep::{Engine, HoldState, LocalMac, LogLine, Status, rows::Row};

/// Interval of status updates while a remaining time in the status counts down.
const STATUS_EVERY: Duration = Duration::from_secs(1);

type Transaction = Pin<Box<dyn Future<Output = Result<(), TransactError>>>>;

/// Actor that feeds the engine with events, input and the time.
pub(super) struct Actor {
    pub(super) engine: Engine,
    pub(super) events: Events<Row>,
    pub(super) client: Client,
    pub(super) inbox: Arc<Inbox>,
    /// Zero of the engine's times.
    pub(super) started: Instant,
    pub(super) rows: watch::Sender<Arc<Rows>>,
    pub(super) status: watch::Sender<Arc<Status>>,
    /// True while there is a connection.
    pub(super) reached: watch::Sender<bool>,
}

impl Actor {
    /// Runs until the handle is dropped.
    pub(super) async fn run(mut self) {
        let mut transaction: Option<Transaction> = None;
        loop {
            self.publish();
            if let Some(request) = self.engine.lock_request() {
                self.client.lock(self.engine.lock(), request).await;
            }
            if transaction.is_none()
                && let Some(operations) = self.engine.transaction(self.now())
            {
                let client = self.client.clone();
                transaction = Some(Box::pin(async move { client.transact(operations).await.map(drop) }));
            }
            let deadline = self.deadline();
            let mut timer = pin!(async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            });
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.engine.event(event, self.now()),
                    None => return,
                },
                outcome = finish(&mut transaction) => {
                    transaction = None;
                    self.drain();
                    self.engine.outcome(outcome, self.now());
                },
                () = self.inbox.changed() => if !self.take_inbox() {
                    return;
                },
                () = &mut timer => self.engine.tick(self.now()),
            }
            self.drain();
        }
    }

    /// Processes all queued events. They lead to one update of the rows, and the changes of a transaction are applied
    /// before its outcome.
    fn drain(&mut self) {
        while let Some(event) = self.events.try_recv() {
            self.engine.event(event, self.now());
        }
    }

    /// Applies the pending input. Returns false once the handle was dropped.
    fn take_inbox(&mut self) -> bool {
        let Pending { all, local, traffic, faults, unreachable, writing, settings, closed } = self.inbox.take();
        if let Some(settings) = settings {
            self.engine.reconfigure(settings, self.now());
        }
        if let Some(all) = all {
            self.engine.set_local(all);
        }
        for ((vni, mac), change) in local {
            match change {
                Some(ip) => self.engine.learn(LocalMac { vni, mac, ip }),
                None => self.engine.forget(vni, mac),
            }
        }
        if let Some(traffic) = traffic {
            self.engine.set_traffic(traffic);
        }
        if let Some(faults) = faults {
            self.engine.set_faults(faults);
        }
        if let Some(unreachable) = unreachable {
            self.engine.set_unreachable(unreachable, self.now());
        }
        if let Some(writing) = writing {
            self.engine.set_writing(writing);
        }
        !closed
    }

    /// Logs the messages of the engine, and publishes the rows and the status if they have changed.
    fn publish(&mut self) {
        for line in self.engine.take_log() {
            match line {
                LogLine::Warning(text) => tracing::warn!("{text}"),
                LogLine::Info(text) => tracing::info!("{text}"),
                LogLine::Debug(text) => tracing::debug!("{text}"),
            }
        }
        // The status comes first: a reader of the rows learns from it that the database is known.
        let was_known = state::is_known(&self.status.borrow());
        let status = Arc::new(self.engine.status(self.now()));
        let known = state::is_known(&status);
        let reached = status.remote.is_some();
        self.status.send_if_modified(|published| replace(published, &status));
        self.reached.send_if_modified(|published| std::mem::replace(published, reached) != reached);
        let rows = self.engine.rows();
        // Empty rows are published too, the first time that the database is known.
        self.rows.send_if_modified(|published| replace(published, rows) || known && !was_known);
    }

    fn deadline(&self) -> Option<Instant> {
        let now = self.now();
        let running_out = match self.engine.status(now).hold {
            HoldState::Waiting { remaining } | HoldState::Gone { remaining } => remaining.is_some(),
            HoldState::Kept { .. } => true,
            HoldState::Following | HoldState::Expired => false,
        };
        let status = running_out.then(|| now + STATUS_EVERY);
        self.engine.deadline(now).into_iter().chain(status).min().map(|deadline| self.started + deadline)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Replaces `published` with `new` if they differ. Returns true if so.
fn replace<T: PartialEq>(published: &mut Arc<T>, new: &Arc<T>) -> bool {
    let differs = !Arc::ptr_eq(published, new) && **published != **new;
    if differs {
        *published = Arc::clone(new);
    }
    differs
}

async fn finish(transaction: &mut Option<Transaction>) -> Result<(), TransactError> {
    match transaction {
        Some(transaction) => transaction.await,
        None => std::future::pending().await,
    }
}
