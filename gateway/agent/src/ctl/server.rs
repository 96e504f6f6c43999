//! Server of the control socket.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gateway_api::ctl::{
    Answer, Command,
    dispatch::{Decision, decide},
    message::{BadCall, Call, LONGEST, reply},
};
use gateway_base::{
    clock,
    json_framing::{Framer, FramingError},
    token_bucket::{Rate, TokenBucket},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    admission::{Admission, Entry, OTHERS, ROOT},
    error::CtlError,
    listener::Listener,
    request::{Request, Requests},
};

/// Bytes read at a time.
const CHUNK: usize = 4 << 10;

/// Time that a client has for its next complete request.
const IDLE: Duration = Duration::from_secs(30);

/// Time that the agent has for an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// Time that a client has to read a reply.
const WRITE: Duration = Duration::from_secs(5);

/// Pause after a client that could not be accepted, because the next one would fail as well.
const REST: Duration = Duration::from_secs(1);

/// Request rate of one client. A faster client waits, because the loop that answers has other work.
const PACE: Rate = Rate { burst: 200, each: Duration::from_millis(10) };

/// Counters of the control socket since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Clients that were admitted.
    pub(crate) clients: AtomicU64,
    /// Requests, of any kind.
    pub(crate) requests: AtomicU64,
    /// Clients whose connection was closed because of an error or a timeout.
    pub(crate) hung_up: AtomicU64,
    /// Idle clients that made room for others.
    pub(crate) made_room: AtomicU64,
    /// Clients that were refused for lack of room.
    pub(crate) sent_away: AtomicU64,
}

/// State that the clients' tasks share.
#[derive(Debug)]
struct Shared {
    commands: &'static [Command],
    requests: mpsc::Sender<Request>,
    counters: Arc<Counters>,
    admission: Mutex<Admission>,
}

impl Shared {
    fn admission<T>(&self, change: impl FnOnce(&mut Admission) -> T) -> T {
        change(&mut self.admission.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opens the socket, for root and the members of `group`. Returns the requests of clients, the counters, and the future
/// that does the work. The future has to be polled and never ends. When it is dropped, all connections are closed and
/// the socket is removed.
///
/// # Errors
/// The socket can't be opened, or there is no such group.
pub(crate) fn open(
    path: &Path,
    group: Option<&str>,
    commands: &'static [Command],
) -> Result<(Requests, Arc<Counters>, impl Future<Output = ()> + use<>), CtlError> {
    let listener = Listener::open(path, group)?;
    let (sender, requests) = mpsc::channel(ROOT + OTHERS);
    let counters = Arc::<Counters>::default();
    let shared = Shared { commands, requests: sender, counters: Arc::clone(&counters), admission: Mutex::default() };
    Ok((requests, counters, serve(listener, Arc::new(shared))))
}

async fn serve(listener: Listener, shared: Arc<Shared>) {
    let mut clients = JoinSet::new();
    let mut handles = BTreeMap::new();
    loop {
        tokio::select! {
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, _)) => {
                    let Some((seat, made_room)) = let_in(&shared, &stream) else { continue };
                    if let Some(other) = made_room.and_then(|of| handles.remove(&of)) {
                        AbortHandle::abort(&other);
                    }
                    let number = seat.number;
                    let handle = clients.spawn(async move {
                        if let Err(reason) = client(stream, &seat).await {
                            count(&seat.shared.counters.hung_up);
                            tracing::warn!(uid = seat.uid, "control socket: hung up on a client: {reason}");
                        }
                        seat.number
                    });
                    handles.insert(number, handle);
                }
                Err(error) => {
                    tracing::warn!("control socket: a client could not be accepted: {error}");
                    sleep(REST).await;
                }
            },
            // The handle of a client that made room is already removed.
            Some(ended) = clients.join_next() => if let Ok(number) = ended {
                handles.remove(&number);
            },
        }
    }
}

/// Admits a new client. Returns its seat and the client that has to make room; `None` if it is refused.
fn let_in(shared: &Arc<Shared>, stream: &UnixStream) -> Option<(Seat, Option<u64>)> {
    let counters = &shared.counters;
    let uid = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => {
            tracing::warn!("control socket: the peer's credentials can't be read: {error}");
            return None;
        }
    };
    let (number, made_room) = match shared.admission(|admission| admission.enter(uid, clock::monotonic())) {
        Entry::Seat(seat) => (seat, None),
        Entry::Instead { seat, of } => {
            count(&counters.made_room);
            tracing::info!(uid, "control socket: a client that was silent made room for another one");
            (seat, Some(of))
        }
        Entry::Full => {
            count(&counters.sent_away);
            tracing::warn!(uid, "control socket: a client was sent away: too many are being served");
            return None;
        }
    };
    count(&counters.clients);
    Some((Seat { shared: Arc::clone(shared), number, uid }, made_room))
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Seat of a client, which is freed when it is dropped.
struct Seat {
    shared: Arc<Shared>,
    number: u64,
    uid: u32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.admission(|admission| admission.leave(self.number));
    }
}

/// Reason to close the connection of a client.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it sent a message of more than {LONGEST} bytes")]
    TooLong,
    #[error("it does not speak JSON-RPC")]
    Framing,
    #[error(transparent)]
    Call(#[from] BadCall),
    #[error("it sent no request for {} s", IDLE.as_secs())]
    Silent,
    #[error("it did not take its reply within {} s", WRITE.as_secs())]
    Deaf,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<FramingError> for Trouble {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::TooLong(_) => Self::TooLong,
            FramingError::Tls | FramingError::NotAnObject(_) | FramingError::TooDeep => Self::Framing,
        }
    }
}

/// Serves a client, one request after the other. Nothing is read while a request is being answered, so the kernel
/// blocks a client that sends without end.
async fn client(mut stream: UnixStream, seat: &Seat) -> Result<(), Trouble> {
    let Seat { shared, number, uid } = seat;
    let mut framer = Framer::new(LONGEST);
    let mut pace = TokenBucket::default();
    while let Some(call) = next(&mut stream, &mut framer).await? {
        while let Err(wait) = pace.take(PACE, clock::monotonic()) {
            sleep(wait).await;
        }
        count(&shared.counters.requests);
        let id = call.id.clone();
        let (answer, sent) = match decide(shared.commands, *uid == 0, call) {
            Decision::Reply(answer) => (answer, None),
            Decision::Ask { command, params } => {
                shared.admission(|admission| admission.served(*number));
                tokio::select! {
                    asked = ask(&shared.requests, command, params) => asked,
                    () = hung_up(&stream) => return Ok(()),
                }
            }
        };
        shared.admission(|admission| admission.waited_for(*number, clock::monotonic()));
        timeout(WRITE, stream.write_all(&reply(&id, &answer))).await.map_err(|_| Trouble::Deaf)??;
        if let Some(sent) = sent {
            let _ = sent.send(());
        }
    }
    Ok(())
}

/// Reads the next request; `None` if the client has closed the connection.
#[expect(clippy::disallowed_methods, reason = "a client is waited for in real time")]
async fn next(stream: &mut UnixStream, framer: &mut Framer) -> Result<Option<Call>, Trouble> {
    let deadline = Instant::now() + IDLE;
    let mut chunk = [0; CHUNK];
    loop {
        if let Some(text) = framer.next_text()? {
            return Ok(Some(Call::parse(text)?));
        }
        match timeout_at(deadline, stream.read(&mut chunk)).await.map_err(|_| Trouble::Silent)?? {
            0 => return Ok(None),
            length => framer.push(&chunk[..length]),
        }
    }
}

/// Waits until the client has closed its end of the stream, so that a client that no longer waits for an answer frees
/// its place. A client that has only shut down writing still wants the answer. One that has already sent more is not
/// checked.
async fn hung_up(stream: &UnixStream) {
    let is_closed = async {
        let (read, write) = (stream.ready(Interest::READABLE).await?, stream.ready(Interest::WRITABLE).await?);
        io::Result::Ok(read.is_read_closed() && write.is_write_closed())
    };
    if !is_closed.await.unwrap_or(true) {
        std::future::pending::<()>().await;
    }
}

async fn ask(
    requests: &mpsc::Sender<Request>,
    command: &'static str,
    params: Vec<String>,
) -> (Answer, Option<oneshot::Sender<()>>) {
    let (request, answer) = Request::new(command, params);
    let asked = async {
        requests.send(request).await.ok()?;
        answer.await.ok()
    };
    match timeout(ANSWER, asked).await {
        Ok(Some((answer, sent))) => (answer, Some(sent)),
        Ok(None) => (Err("the agent is ending, and did not answer".to_owned()), None),
        Err(_) => (Err(format!("the agent did not answer within {} s", ANSWER.as_secs())), None),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
