//! What the agent's loop and the server's thread have between them.

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

/// Measurements younger than this are told again instead of being taken again.
const FRESH: Duration = Duration::from_secs(1);

/// How long a client waits for new measurements; after that it gets old ones. Prometheus waits ten seconds for all of it.
const PATIENCE: Duration = Duration::from_secs(4);

/// A loop that has not turned for so long does not live. It turns each second, and a large change may take some seconds.
pub(super) const ALIVE: Duration = Duration::from_secs(15);

/// The server's thread has this niceness: it gives way to what forwards and learns.
const NICE: libc::c_int = 10;

/// What keeps a gateway from being ready. A node that stands by is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The programs are attached wherever they should be.
    pub attached: bool,
    /// The database has been seen, so that what is programmed is what is wanted.
    pub known: bool,
    /// How many bindings of the database do not forward.
    pub unforwarded: usize,
    /// No connected node could forward more.
    pub able: bool,
    /// A tunnel can send, or there is none.
    pub reaches: bool,
}

/// The loop's side. Without an address to listen on there is no thread, and nobody asks.
#[derive(Debug)]
pub struct Exporter {
    shared: Arc<Shared>,
    listen: watch::Sender<BTreeSet<SocketAddr>>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Listens nowhere yet.
    pub fn new() -> Self {
        Self { shared: Arc::default(), listen: watch::Sender::default(), thread: None }
    }

    /// Listens on `addresses` and no others, in the network namespace of the thread that calls first.
    ///
    /// # Errors
    /// There is no thread to be had. An address that can't be had is no error: it is logged, and tried again.
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

    /// The loop has turned, and this is how ready it is. To be called each second.
    pub fn turned(&self, readiness: Readiness) {
        self.shared.turned(readiness, clock::monotonic());
    }

    /// Somebody wants [`Exporter::publish`] to be called. Dropped before its end, nothing is lost.
    pub async fn request(&self) {
        loop {
            self.shared.asked.notified().await;
            if self.shared.fresh(clock::monotonic()).is_none() {
                return;
            }
        }
    }

    /// Hands out new measurements.
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
        // The server ends when there is no more word of where to listen.
        self.listen = watch::Sender::default();
        if let Some(thread) = self.thread.take() {
            // It has panicked, if anything; that was told.
            let _ = thread.join();
        }
    }
}

/// Makes the calling thread a nice one.
fn give_way() {
    // SAFETY: setpriority(2) takes numbers; 0 is the calling thread, which on Linux is what it is for.
    let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0;
    if failed {
        tracing::debug!("the metrics thread does not give way to others: {}", io::Error::last_os_error());
    }
}

/// What both sides see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    asked: Notify,
    measured: watch::Sender<Option<Arc<Measured>>>,
    turned: Mutex<Option<(Readiness, Time)>>,
    written: Mutex<[Option<Written>; 2]>,
    requests: AtomicU64,
    hung_up: AtomicU64,
}

/// An exposition that can be given to several clients.
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

    /// Counts a client that was hung up on.
    pub(super) fn count_hung_up(&self) {
        self.hung_up.fetch_add(1, Ordering::Relaxed);
    }

    fn turned(&self, readiness: Readiness, now: Time) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Some((readiness, now));
    }

    /// How ready the loop said it was, and how long ago that is.
    pub(super) fn last_turn(&self, now: Time) -> Option<(Readiness, Duration)> {
        let turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        turned.map(|(readiness, at)| (readiness, now.saturating_sub(at)))
    }

    /// Measurements that are young enough.
    fn fresh(&self, now: Time) -> Option<Arc<Measured>> {
        self.measured.borrow().as_ref().filter(|measured| now.saturating_sub(measured.at) < FRESH).cloned()
    }

    /// The exposition; nothing if there never was anything measured.
    pub(super) async fn expose(&self, format: Format) -> Option<Bytes> {
        let mut changes = self.measured.subscribe();
        let fresh = self.fresh(clock::monotonic());
        if fresh.is_none() {
            self.asked.notify_one();
            // In vain if the loop is at work: then it is what there was before.
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
