//! Driver: listens for connections, and calls other nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gateway_base::backoff::Backoff;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Followed, Local, Peers, Remote,
    conversation::{Ended, Shared, converse},
    handle::Wanted,
    session_registry::{SessionRegistry, With},
    socket,
};

/// The most callers at a time.
const CALLERS: usize = 8;
/// Longest time until a call is answered.
const CONNECT: Duration = Duration::from_secs(5);
/// Wait after a first failure.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Length from which on a conversation counts as successful.
const GOOD: Duration = Duration::from_secs(10);

/// Listens on TCP port `port`, calls active nodes there, and accepts at most `max_stations` stations of each.
///
/// Nothing happens before the future is run. It ends when the [`Peers`] are dropped.
pub fn open(
    port: u16,
    max_stations: usize,
) -> (Peers, watch::Receiver<Arc<Followed>>, impl Future<Output = ()> + Send) {
    let (peers, wanted) = Peers::new();
    let (followed, receiver) = watch::channel(Arc::default());
    (peers, receiver, run(port, max_stations, wanted, followed))
}

#[expect(clippy::disallowed_methods, reason = "this is the driver: the registry gets the time from here")]
async fn run(
    port: u16,
    max_stations: usize,
    mut wanted: watch::Receiver<Wanted>,
    followed: watch::Sender<Arc<Followed>>,
) {
    let (registry, start) = (SessionRegistry::default(), Instant::now());
    let shared = Arc::new(Shared { registry, wanted: wanted.clone(), port, max_stations, start });
    let callers = Arc::new(Semaphore::new(CALLERS));
    // Tasks end together with the set that holds them.
    let mut tasks = JoinSet::new();
    let mut listening: BTreeMap<Local, AbortHandle> = BTreeMap::new();
    let mut calling: BTreeMap<Remote, AbortHandle> = BTreeMap::new();
    loop {
        let now = wanted.borrow_and_update().clone();
        let (listen, call) = targets(&now);
        keep_only(&mut listening, &listen, |local| With::Listener(*local), &shared);
        keep_only(&mut calling, &call, |remote| With::Remote(*remote), &shared);
        for local in listen {
            let task = || tasks.spawn(answer(shared.clone(), local, callers.clone()));
            listening.entry(local).or_insert_with(task);
        }
        for remote in call {
            calling.entry(remote).or_insert_with(|| tasks.spawn(follow(shared.clone(), remote)));
        }
        let (sum, look) = shared.registry.followed(shared.now(), &now);
        followed.send_if_modified(|last| {
            let new = **last != sum;
            if new {
                *last = Arc::new(sum);
            }
            new
        });
        let look = look.map(|look| shared.instant(look));
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = shared.registry.changed() => {}
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {}
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

/// Returns the addresses to listen on, and the nodes to call.
fn targets(wanted: &Wanted) -> (BTreeSet<Local>, BTreeSet<Remote>) {
    if wanted.description.node.is_empty() {
        return (BTreeSet::new(), BTreeSet::new());
    }
    let listen = if wanted.listen.is_empty() { socket::ANY.into() } else { wanted.listen.clone() };
    (listen, wanted.follow.values().copied().collect())
}

/// Ends the tasks that are no longer wanted.
fn keep_only<K: Ord>(
    running: &mut BTreeMap<K, AbortHandle>,
    keys: &BTreeSet<K>,
    with: impl Fn(&K) -> With,
    shared: &Shared,
) {
    running.retain(|key, task| {
        let stays = keys.contains(key);
        if !stays {
            task.abort();
            shared.registry.update(|sum| sum.troubles.remove(&with(key)));
        }
        stays
    });
}

/// Waits after an attempt that lasted that long.
async fn pause(backoff: &mut Backoff, lasted: Option<Duration>) {
    if lasted.is_some_and(|lasted| lasted >= GOOD) {
        backoff.reset();
    }
    sleep(backoff.wait()).await;
}

/// Calls `remote` again and again.
async fn follow(shared: Arc<Shared>, remote: Remote) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let (reason, lasted) = match timeout(CONNECT, socket::call(remote, shared.port)).await {
            Ok(Ok(stream)) => {
                let known = AtomicBool::new(false);
                let ended = converse(&shared, stream, remote.address, Some(remote), &known).await;
                (ended.reason, ended.lasted)
            }
            Ok(Err(error)) => (error.to_string(), None),
            Err(_) => (format!("no answer within {CONNECT:?}"), None),
        };
        tracing::debug!("conversation with the active node {}: {reason}", remote.address);
        let text = format!("the active node {} does not send what it has learned: {reason}", remote.address);
        shared.registry.update(|sum| sum.troubles.insert(With::Remote(remote), text));
        pause(&mut backoff, lasted).await;
    }
}

/// Listens at `local`, and serves the callers that are allowed.
async fn answer(shared: Arc<Shared>, local: Local, callers: Arc<Semaphore>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let reason = match socket::listen(local, shared.port) {
            Ok(listener) => {
                shared.registry.update(|sum| sum.troubles.remove(&With::Listener(local)));
                accept(&shared, listener, &callers).await
            }
            // A kernel without IPv6 needs no listener for IPv6.
            Err(error) if socket::ANY.contains(&local) && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => return,
            Err(error) => error,
        };
        let text = format!("other nodes can't be answered at {} port {}: {reason}", local.address, shared.port);
        shared.registry.update(|sum| sum.troubles.insert(With::Listener(local), text));
        pause(&mut backoff, None).await;
    }
}

/// Accepts until the listener fails. Returns the error.
async fn accept(shared: &Arc<Shared>, listener: TcpListener, callers: &Arc<Semaphore>) -> io::Error {
    let mut conversations = JoinSet::new();
    // Sorted by time of arrival.
    let mut callers_here: Vec<Caller> = Vec::new();
    loop {
        let (stream, from): (TcpStream, SocketAddr) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return error,
            },
            Some(_) = conversations.join_next(), if !conversations.is_empty() => continue,
        };
        let address = from.ip();
        if !shared.wanted.borrow().allowed.include(&address) {
            tracing::debug!("{address} is no known node, and was not answered");
            continue;
        }
        callers_here.retain(|caller| !caller.task.is_finished());
        // A node calls once, so an earlier connection of it has broken silently. But a caller that only has its address
        // must not replace one that has proved the possession of the key.
        let demanded = shared.wanted.borrow().keys.are_demanded();
        let again = |caller: &Caller| caller.address == address && !(demanded && caller.is_known());
        while let Some(before) = callers_here.iter().position(again) {
            end(&callers_here.remove(before), &mut conversations).await;
        }
        let place = match callers.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                // Takes the place of a caller that has not identified itself.
                if let Some(stranger) = callers_here.iter().position(|caller| !caller.is_known()) {
                    end(&callers_here.remove(stranger), &mut conversations).await;
                }
                let Ok(place) = callers.clone().try_acquire_owned() else {
                    tracing::debug!("{address} was not answered, {CALLERS} other nodes have called");
                    continue;
                };
                place
            }
        };
        let (shared, known) = (shared.clone(), Arc::new(AtomicBool::new(false)));
        let is_known = known.clone();
        let task = conversations.spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            let Ended { reason, refused, .. } = converse(&shared, stream, address, None, &is_known).await;
            tracing::debug!("conversation with {address}: {reason}");
            if refused {
                let now = shared.now();
                shared.registry.update(|sum| sum.refuse(address, reason, now));
            }
        });
        callers_here.push(Caller { address, known, task });
    }
}

/// A connected caller.
struct Caller {
    address: IpAddr,
    known: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Caller {
    fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// Ends a conversation. Its place is free when the conversation has really ended, which takes no longer than one turn
/// of the runtime.
async fn end(caller: &Caller, conversations: &mut JoinSet<()>) {
    caller.task.abort();
    while !caller.task.is_finished() && conversations.join_next().await.is_some() {}
}

/// Returns true for an error that concerns one caller only.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
