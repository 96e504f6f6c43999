//! Client handle that submits transactions to the driver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{Operation, OperationResult, TransactError};

/// Outcome of a transaction.
pub(crate) type Outcome = Result<Vec<OperationResult>, TransactError>;

/// Command from a client to the driver.
#[derive(Debug)]
pub enum Command {
    Transact { operations: Vec<Operation>, reply: oneshot::Sender<Outcome> },
    Lock { name: String, request: LockRequest },
}

/// Request about a lock (RFC 7047, section 4.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockRequest {
    /// Acquire the lock once no other client holds it.
    Wait,
    /// Acquire the lock even if another client holds it.
    Steal,
    /// Release the lock, or stop waiting for it.
    Release,
}

/// Limit of queued transactions. Beyond it, [`Client::transact`] itself waits for the driver.
const QUEUED: usize = 64;

/// Sends transactions. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    contact: Contact,
}

/// Time at which data last came from a server. Clones share one connection.
#[derive(Clone, Debug, Default)]
pub struct Contact(Arc<AtomicU64>);

impl Contact {
    /// Records that data came now, `time` after the zero of the wall clock.
    pub fn received(&self, time: Duration) {
        self.0.store(time.as_millis() as u64, Ordering::Relaxed);
    }

    /// Returns the time since the zero of the wall clock, to the millisecond. `None` if nothing came yet.
    pub fn last(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.0.load(Ordering::Relaxed))).filter(|time| !time.is_zero())
    }
}

impl Client {
    /// Creates a client and the receiver of its commands.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(QUEUED);
        (Self { commands, contact: Contact::default() }, receiver)
    }

    /// Returns the time at which data last came from a server.
    pub fn contact(&self) -> Contact {
        self.contact.clone()
    }

    /// Sends a request for the lock `name` (letters, digits and `_`) on the current connection. The result is reported
    /// as [`Event::Lock`](super::Event::Lock). The lock ends with the connection. Each client has one lock.
    pub async fn lock(&self, name: String, request: LockRequest) {
        // A driver that has ended holds no lock.
        let _ended = self.commands.send(Command::Lock { name, request }).await;
    }

    /// Executes all of `operations`, or none. Returns one result for each of them, in their order.
    ///
    /// The changes of the transaction are among the [`Events`](super::Events) before this returns. The future may be
    /// dropped before it ends; the transaction is then done or not.
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
