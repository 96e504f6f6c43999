//! Exporter: the loop's side of the metrics, and the thread of the server.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

use gateway_base::clock;
use tokio::sync::watch;

use super::{
    Measured, server,
    shared::{Readiness, Shared},
};

/// Niceness of the server's thread: it gives way to the threads that forward and learn.
const NICE: libc::c_int = 10;

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

    /// Returns the requests of clients for new measurements.
    pub fn requests(&self) -> ScrapeRequests {
        ScrapeRequests(Arc::clone(&self.shared))
    }

    /// Publishes new measurements.
    pub fn publish(&self, measured: Measured) {
        self.shared.publish(measured);
    }
}

/// Requests of clients for new measurements.
#[derive(Debug)]
pub struct ScrapeRequests(Arc<Shared>);

impl ScrapeRequests {
    /// Waits until a client needs new measurements; then call [`Exporter::publish`]. Cancel safe.
    pub async fn next(&self) {
        self.0.requested().await;
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
