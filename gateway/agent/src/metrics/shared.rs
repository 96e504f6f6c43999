//! State shared between the agent's loop and the server's thread: measurements, readiness and counters.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gateway_base::clock;
use gateway_vrrp::Time;
use hyper::body::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    Measured,
    negotiate::Format,
    process::Process,
    scrape::{Scrape, Served},
};

/// Measurements younger than this are served again instead of being taken again.
const FRESH: Duration = Duration::from_secs(1);

/// Time that a client waits for new measurements before it gets old ones. Prometheus waits ten seconds in all.
const PATIENCE: Duration = Duration::from_secs(4);

/// A loop that has not turned for this long counts as dead. It turns each second, and a large change may take some
/// seconds.
pub(super) const ALIVE: Duration = Duration::from_secs(15);

/// Readiness of the gateway. A standby node is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The programs are attached wherever they should be.
    pub attached: bool,
    /// The database has been read, so that the programmed state is the desired state.
    pub known: bool,
    /// Number of bindings of the database that do not forward.
    pub unforwarded: usize,
    /// No connected node could forward more.
    pub able: bool,
    /// A tunnel can send, or there is none.
    pub reaches: bool,
}

/// State that both sides share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    requested: Notify,
    measured: watch::Sender<Option<Arc<Measured>>>,
    turned: Mutex<Option<(Readiness, Time)>>,
    written: Mutex<[Option<Written>; 2]>,
    requests: AtomicU64,
    hung_up: AtomicU64,
}

/// Exposition that is shared by several clients.
#[derive(Debug)]
struct Written {
    measured: Arc<Measured>,
    at: Time,
    text: Bytes,
}

impl Shared {
    /// Counts a request.
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a client whose connection was closed by the server.
    pub(super) fn count_hung_up(&self) {
        self.hung_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Records a turn of the loop with its readiness.
    pub(super) fn turned(&self, readiness: Readiness, now: Time) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Some((readiness, now));
    }

    /// Returns the readiness at the last turn of the loop, and the time since then.
    pub(super) fn last_turn(&self, now: Time) -> Option<(Readiness, Duration)> {
        let turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        turned.map(|(readiness, at)| (readiness, now.saturating_sub(at)))
    }

    /// Publishes new measurements.
    pub(super) fn publish(&self, measured: Measured) {
        self.measured.send_replace(Some(Arc::new(measured)));
    }

    /// Waits until a client needs new measurements. Cancel safe.
    pub(super) async fn requested(&self) {
        loop {
            self.requested.notified().await;
            if self.fresh(clock::monotonic()).is_none() {
                return;
            }
        }
    }

    /// Returns the measurements, if they are fresh.
    fn fresh(&self, now: Time) -> Option<Arc<Measured>> {
        self.measured.borrow().as_ref().filter(|measured| now.saturating_sub(measured.at) < FRESH).cloned()
    }

    /// Returns the exposition; `None` if nothing was ever measured.
    pub(super) async fn expose(&self, format: Format) -> Option<Bytes> {
        let mut changes = self.measured.subscribe();
        let fresh = self.fresh(clock::monotonic());
        if fresh.is_none() {
            self.requested.notify_one();
            // A loop that is busy does not answer in time. Then the old measurements are served.
            let _ = timeout(PATIENCE, changes.changed()).await;
        }
        let measured = changes.borrow().clone()?;
        self.write(measured, format)
    }

    fn write(&self, measured: Arc<Measured>, format: Format) -> Option<Bytes> {
        let now = clock::monotonic();
        let mut all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut all[usize::from(format == Format::Text)];
        if let Some(written) = slot
            && Arc::ptr_eq(&written.measured, &measured)
            && now.saturating_sub(written.at) < FRESH
        {
            return Some(written.text.clone());
        }
        let scrape = Scrape {
            age: now.saturating_sub(measured.at),
            measured: Arc::clone(&measured),
            process: Process::poll(),
            server: Served {
                requests: self.requests.load(Ordering::Relaxed),
                hung_up: self.hung_up.load(Ordering::Relaxed),
            },
        };
        let text = Bytes::from(scrape.expose(format).ok()?);
        *slot = Some(Written { measured, at: now, text: text.clone() });
        Some(text)
    }
}
