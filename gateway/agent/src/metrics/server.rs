//! Sockets of the metrics server, with limits on the number of clients, their time and their bytes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{http, shared::Shared};

/// Clients at a time. For one more, the oldest connection is closed. A client that reads metrics stays for some
/// milliseconds only, so idle connections are closed first.
const CLIENTS: usize = 64;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Time that a client has for its request, up to the end of its headers.
const REQUEST: Duration = Duration::from_secs(5);

/// Time that a client has for everything, including reading the answer.
const WHOLE: Duration = Duration::from_secs(30);

/// Bytes of a request at most, up to the end of its headers.
const LONGEST: usize = 16 << 10;

/// Headers of a request at most.
const HEADERS: usize = 64;

/// Time until an address that can't be listened on is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Pause after a client that could not be accepted, because the next one would fail as well.
const REST: Duration = Duration::from_secs(1);

/// Serves on the addresses that `listen` holds at the time. Ends when `listen` is closed.
pub(super) async fn serve(shared: Arc<Shared>, mut listen: watch::Receiver<BTreeSet<SocketAddr>>) {
    let clients = Arc::new(Clients::default());
    // Tasks end with their set.
    let mut tasks = JoinSet::new();
    let mut listening: BTreeMap<SocketAddr, AbortHandle> = BTreeMap::new();
    loop {
        let addresses = listen.borrow_and_update().clone();
        listening.retain(|address, task| {
            let stays = addresses.contains(address);
            if !stays {
                task.abort();
                tracing::info!("metrics: no longer listening on {address}");
            }
            stays
        });
        for address in addresses {
            let task = || tasks.spawn(accept(address, Arc::clone(&shared), Arc::clone(&clients)));
            listening.entry(address).or_insert_with(task);
        }
        tokio::select! {
            changed = listen.changed() => if changed.is_err() { return },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

/// Accepts clients at one address, once it can be listened on.
async fn accept(address: SocketAddr, shared: Arc<Shared>, clients: Arc<Clients>) {
    let listener = listener(address).await;
    tracing::info!("metrics: listening on http://{address}/metrics");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => clients.admit(stream, &shared),
            Err(error) => {
                tracing::debug!("metrics: a client on {address} could not be accepted: {error}");
                sleep(REST).await;
            }
        }
    }
}

async fn listener(address: SocketAddr) -> TcpListener {
    let mut logged = None;
    loop {
        match open(address) {
            Ok(listener) => return listener,
            Err(error) => {
                if logged != Some(error.kind()) {
                    logged = Some(error.kind());
                    let again = AGAIN.as_secs();
                    tracing::warn!("metrics: cannot listen on {address}: {error}; it is tried again every {again} s");
                }
                sleep(AGAIN).await;
            }
        }
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // This allows [::] and 0.0.0.0 at the same time.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connected clients, the newest last.
#[derive(Debug, Default)]
struct Clients(Mutex<VecDeque<AbortHandle>>);

impl Clients {
    fn admit(&self, stream: TcpStream, shared: &Arc<Shared>) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|client| !client.is_finished());
        while clients.len() >= CLIENTS {
            if let Some(oldest) = clients.pop_front() {
                oldest.abort();
                shared.count_hung_up();
            }
        }
        let task = tokio::spawn(client(stream, Arc::clone(shared)));
        clients.push_back(task.abort_handle());
    }
}

/// Serves one request.
async fn client(stream: TcpStream, shared: Arc<Shared>) {
    let answers = Arc::clone(&shared);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(http::answer(&request, &shared).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(LONGEST)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(WHOLE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            if error.is_timeout() {
                shared.count_hung_up();
            }
            tracing::debug!("metrics: a client was hung up on: {error}");
        }
        Err(_) => {
            shared.count_hung_up();
            tracing::debug!("metrics: a client was hung up on: it did not take its answer within {WHOLE:?}");
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
