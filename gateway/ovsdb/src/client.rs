//! Where transactions are handed in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{Operation, OperationResult, TransactError};

/// How a transaction ended.
pub(crate) type Outcome = Result<Vec<OperationResult>, TransactError>;

/// Something on its way to the driver.
#[derive(Debug)]
pub enum Command {
    Transact { operations: Vec<Operation>, reply: oneshot::Sender<Outcome> },
    Lock { name: String, request: LockRequest },
}

/// What is done about a lock (RFC 7047, section 4.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockRequest {
    /// Take it, once nobody has it.
    Wait,
    /// Take it, whoever has it.
    Steal,
    /// Give it back, or no longer wait for it.
    Release,
}

/// How many transactions wait for the driver before [`Client::transact`] itself waits.
const QUEUED: usize = 64;

/// Sends transactions. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    contact: Contact,
}

/// When something last came from a server. Clones are of one connection.
#[derive(Clone, Debug, Default)]
pub struct Contact(Arc<AtomicU64>);

impl Contact {
    /// Something came now, `time` after the zero of the wall clock.
    pub fn heard(&self, time: Duration) {
        self.0.store(time.as_millis() as u64, Ordering::Relaxed);
    }

    /// Since the zero of the wall clock, to the millisecond; nothing if nothing came yet.
    pub fn last(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.0.load(Ordering::Relaxed))).filter(|time| !time.is_zero())
    }
}

impl Client {
    /// Makes a client and the end that its commands come to.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(QUEUED);
        (Self { commands, contact: Contact::default() }, receiver)
    }

    /// When something last came from a server.
    pub fn contact(&self) -> Contact {
        self.contact.clone()
    }

    /// Asks for the lock `name`, letters, digits and `_`, on the connection there is; what comes of it is told as
    /// [`Event::Lock`](super::Event::Lock). With the connection it is gone. There is one lock for each client.
    pub async fn lock(&self, name: String, request: LockRequest) {
        // A driver that has ended holds no lock.
        let _ended = self.commands.send(Command::Lock { name, request }).await;
    }

    /// Does all of `operations`, or none. One result for each of them comes back, in their order.
    ///
    /// What the transaction changed is among the [`Events`](super::Events) before this returns. It may be dropped
    /// meanwhile; the transaction is then done or not.
    ///
    /// # Errors
    /// See [`TransactError`]. Nothing is ever sent a second time.
    pub async fn transact(&self, operations: Vec<Operation>) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let gone = || TransactError::Down { reason: "the client of the database has ended".to_owned() };
        self.commands.send(Command::Transact { operations, reply }).await.map_err(|_| gone())?;
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }
}
