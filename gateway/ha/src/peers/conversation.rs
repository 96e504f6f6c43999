//! Connects a session to a socket.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gateway_vrrp::{Time, Vrid};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    compare::differences,
    data::{Description, Remote, RouterDescription},
    handle::Wanted,
    secure::{Keys, RANDOM, Terms},
    session::{Session, SessionError, Side},
    session_registry::{Entry, Seen, SessionRegistry, With},
};

/// The most bytes that are read at once.
const READ: usize = 64 << 10;
/// Time between two checks for data to send or data received. The cost of a check is proportional to the changes.
const TURN: Duration = Duration::from_millis(100);

/// State that all conversations share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: SessionRegistry,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) port: u16,
    pub(super) max_stations: usize,
    pub(super) start: Instant,
}

impl Shared {
    pub(super) fn now(&self) -> Time {
        self.start.elapsed()
    }

    pub(super) fn instant(&self, at: Time) -> Instant {
        self.start + at
    }
}

/// Result of a conversation that has ended.
pub(super) struct Ended {
    pub(super) reason: String,
    /// Time for which the two nodes have known each other's names.
    pub(super) lasted: Option<Duration>,
    /// True if the other side could not prove that it has the key.
    pub(super) refused: bool,
}

/// Runs one connection to its end. `called` is the node that this node has called, `None` if this node was called.
/// `known` becomes true when the other side has sent its name, and has proved that it has the key if there are keys.
pub(super) async fn converse(
    shared: &Shared,
    stream: TcpStream,
    address: IpAddr,
    called: Option<Remote>,
    known: &AtomicBool,
) -> Ended {
    let side = if called.is_some() { Side::Follower } else { Side::Source };
    let mut wanted = shared.wanted.clone();
    let (node, keys, vrid) = {
        let wanted = wanted.borrow_and_update();
        let vrid = wanted.follow.iter().find(|(_, active)| Some(**active) == called).map(|(vrid, _)| *vrid);
        (wanted.description.node.clone(), wanted.keys.clone(), vrid)
    };
    let mut random = [0; RANDOM];
    if SystemRandom::new().fill(&mut random).is_err() {
        let reason = "the kernel gives no random numbers".to_owned();
        return Ended { reason, lasted: None, refused: false };
    }
    let terms = Terms { keys: keys.clone(), vrid, random };
    let session = Session::new(shared.now(), side, &node, shared.max_stations, terms);
    let (entry, since, compared) = (None, None, None);
    let mut conversation =
        Conversation { shared, wanted, keys, session, address, called, known, entry, since, compared, refused: false };
    let reason = conversation.run(stream).await;
    let lasted = conversation.since.map(|since| shared.now().saturating_sub(since));
    Ended { reason, lasted, refused: conversation.refused }
}

struct Conversation<'a> {
    shared: &'a Shared,
    wanted: watch::Receiver<Wanted>,
    /// The keys with which it began.
    keys: Arc<Keys>,
    session: Session,
    address: IpAddr,
    called: Option<Remote>,
    known: &'a AtomicBool,
    /// Present once the other node's name is known.
    entry: Option<Entry<'a>>,
    since: Option<Time>,
    /// The descriptions of this node and the other node that were last compared.
    compared: Option<(Arc<Description>, Arc<Description>)>,
    refused: bool,
}

impl Conversation<'_> {
    /// Runs until the conversation ends. Returns the reason.
    async fn run(&mut self, mut stream: TcpStream) -> String {
        let (mut reader, mut writer) = stream.split();
        let mut buffer = vec![0; READ];
        // There is something to check, and the time at which it may be checked.
        let (mut due, mut turn) = (true, self.shared.now());
        let failure = loop {
            let now = self.shared.now();
            if due && now >= turn {
                if !self.is_allowed() {
                    return "it is no longer one of the known nodes".to_owned();
                }
                if self.wanted.borrow().keys != self.keys {
                    return "the keys have changed".to_owned();
                }
                due = false;
                self.look_round();
                turn = now + TURN;
            }
            let sending = !self.session.unsent().is_empty();
            let deadline = self.shared.instant(self.session.deadline());
            let result = tokio::select! {
                // Everything that has arrived is read before the silence is measured.
                biased;
                read = reader.read(&mut buffer) => match read {
                    Ok(0) => return "it closed the connection (does it know this node's address, and have the same auth_keys?)".to_owned(),
                    Err(error) => return error.to_string(),
                    Ok(count) => {
                        let now = self.shared.now();
                        let received = self.session.receive(now, &buffer[..count]);
                        due |= self.take_news();
                        received.and_then(|()| self.session.look(now))
                    }
                },
                written = writer.write(self.session.unsent()), if sending => match written {
                    Err(error) => return error.to_string(),
                    Ok(count) => {
                        self.session.sent(self.shared.now(), count);
                        Ok(())
                    }
                },
                changed = self.wanted.changed(), if !due => {
                    if changed.is_err() {
                        return "this node's agent has ended".to_owned();
                    }
                    due = true;
                    Ok(())
                }
                () = sleep_until(self.shared.instant(turn)), if due => Ok(()),
                () = sleep_until(deadline) => self.session.look(self.shared.now()),
            };
            if let Err(failure) = result {
                break failure;
            }
        };
        self.refused = matches!(failure, SessionError::Secure(_));
        // This helps the operator of the other node. A failure to send it is ignored.
        let _: io::Result<usize> = writer.try_write(&self.session.farewell(&failure));
        failure.to_string()
    }

    fn is_allowed(&self) -> bool {
        self.called.is_some() || self.wanted.borrow().allowed.include(&self.address)
    }

    /// Records news from the other node. Returns true if there is something to check.
    fn take_news(&mut self) -> bool {
        let news = self.session.news();
        if self.entry.is_none()
            && let Some(node) = self.session.node()
        {
            let (called, address, node) = (self.called, self.address, node.to_owned());
            let (routers, differences) = (BTreeMap::new(), BTreeSet::new());
            self.since = Some(self.shared.now());
            self.known.store(true, Ordering::Relaxed);
            self.entry = Some(self.shared.registry.enter(Seen { called, address, node, routers, differences }));
            if let Some(remote) = called {
                self.shared.registry.update(|sum| sum.troubles.remove(&With::Remote(remote)));
            }
        }
        news.description || !news.stations.is_empty()
    }

    /// Queues data to send, and applies received data.
    fn look_round(&mut self) {
        let wanted = self.wanted.borrow_and_update();
        self.session.want(wanted.description.clone(), wanted.stations.clone());
        if let Some(remote) = self.called {
            for (vrid, _) in wanted.follow.iter().filter(|(_, active)| **active == remote) {
                let Some(stations) = self.session.stations(*vrid) else { continue };
                self.shared.registry.keep(*vrid, stations);
            }
        }
        let ours = wanted.description.clone();
        drop(wanted);
        self.compare(ours);
    }

    fn compare(&mut self, ours: Arc<Description>) {
        let (Some(entry), Some(theirs)) = (&self.entry, self.session.description()) else { return };
        let same = |(a, b): &(Arc<Description>, Arc<Description>)| Arc::ptr_eq(a, &ours) && Arc::ptr_eq(b, theirs);
        if self.compared.as_ref().is_some_and(same) {
            return;
        }
        let differing = differences(&ours, theirs);
        // The first number that it sends may be of requests to another node.
        if let (None, Some((_, before))) = (self.called, &self.compared) {
            let asks = |(vrid, router): &(&Vrid, &RouterDescription)| {
                before.routers.get(*vrid).is_some_and(|before| before.misled != router.misled)
            };
            for (vrid, _) in theirs.routers.iter().filter(asks) {
                self.shared.registry.update(|sum| sum.mislead(*vrid));
            }
        }
        entry.update(|seen| {
            seen.routers = theirs.routers.iter().map(|(vrid, router)| (*vrid, router.able)).collect();
            seen.differences = differing;
        });
        self.compared = Some((ours, theirs.clone()));
    }
}
