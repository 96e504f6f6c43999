//! State shared between the agent's loop and the server's thread.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
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
    exposition::{Scrape, Served},
    negotiate::Format,
    process::Process,
    server,
};

/// Measurements younger than this are served again instead of being taken again.
const FRESH: Duration = Duration::from_secs(1);

/// Time that a client waits for new measurements before it gets old ones. Prometheus waits ten seconds in all.
const PATIENCE: Duration = Duration::from_secs(4);

/// A loop that has not turned for this long counts as dead. It turns each second, and a large change may take some
/// seconds.
pub(super) const ALIVE: Duration = Duration::from_secs(15);

/// Niceness of the server's thread: it gives way to the threads that forward and learn.
const NICE: libc::c_int = 10;

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

/// The loop's side. Without an address to listen on, there is no thread and there are no requests.
#[derive(Debug)]
pub struct Exporter {
    shared: Arc<Shared>,
    listen: watch::Sender<BTreeSet<SocketAddr>>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Makes an exporter that does not listen yet.
    pub fn new() -> Self {
        Self { shared: Arc::default(), listen: watch::Sender::default(), thread: None }
    }

    /// Listens on `addresses` and no others, in the network namespace of the thread that calls first.
    ///
    /// # Errors
    /// The thread can't be started. An address that can't be listened on is no error: it is logged, and tried again.
    pub fn listen(&mut self, addresses: &BTreeSet<SocketAddr>) -> io::Result<()> {
        self.listen.send_if_modified(|old| {
            let other = old != addresses;
            old.clone_from(addresses);
            other
        });
        if self.thread.is_none() && !addresses.is_empty() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (shared, listen) = (Arc::clone(&self.shared), self.listen.subscribe());
            let run = move || {
                give_way();
                runtime.block_on(server::serve(shared, listen));
            };
            self.thread = Some(thread::Builder::new().name("metrics".to_owned()).spawn(run)?);
        }
        Ok(())
    }

    /// Records a turn of the loop with its readiness. Call it each second.
    pub fn turned(&self, readiness: Readiness) {
        self.shared.turned(readiness, clock::monotonic());
    }

    /// Waits until a client needs new measurements; then call [`Exporter::publish`]. Cancel safe.
    pub async fn request(&self) {
        loop {
            self.shared.asked.notified().await;
            if self.shared.fresh(clock::monotonic()).is_none() {
                return;
            }
        }
    }

    /// Publishes new measurements.
    pub fn publish(&self, measured: Measured) {
        self.shared.measured.send_replace(Some(Arc::new(measured)));
    }
}

impl Default for Exporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // The server ends when the channel of listen addresses is closed.
        self.listen = watch::Sender::default();
        if let Some(thread) = self.thread.take() {
            // An error means a panic, which has been reported.
            let _ = thread.join();
        }
    }
}

/// Raises the niceness of the calling thread.
fn give_way() {
    // SAFETY: setpriority(2) takes numbers; 0 is the calling thread. On Linux a niceness belongs to a thread.
    let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0;
    if failed {
        tracing::debug!("the metrics thread does not give way to others: {}", io::Error::last_os_error());
    }
}

/// State that both sides share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    asked: Notify,
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

    fn turned(&self, readiness: Readiness, now: Time) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Some((readiness, now));
    }

    /// Returns the readiness at the last turn of the loop, and the time since then.
    pub(super) fn last_turn(&self, now: Time) -> Option<(Readiness, Duration)> {
        let turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        turned.map(|(readiness, at)| (readiness, now.saturating_sub(at)))
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
            self.asked.notify_one();
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
