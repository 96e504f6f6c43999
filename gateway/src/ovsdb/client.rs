//! Where transactions are handed in.

use tokio::sync::{mpsc, oneshot};

use super::{Operation, OperationResult, TransactError};

/// How a transaction ended.
pub(crate) type Outcome = Result<Vec<OperationResult>, TransactError>;

/// A transaction on its way to the driver.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) operations: Vec<Operation>,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// How many transactions wait for the driver before [`Client::transact`] itself waits.
const QUEUED: usize = 64;

/// Sends transactions. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

impl Client {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(QUEUED);
        (Self { commands }, receiver)
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
        self.commands.send(Command { operations, reply }).await.map_err(|_| gone())?;
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }
}
