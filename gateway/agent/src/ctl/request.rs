//! Request of a client, on its way to the loop and back.

use std::future::Future;

use gateway_api::ctl::Answer;
use tokio::sync::{mpsc, oneshot};

/// Receiver of the clients' requests.
pub type Requests = mpsc::Receiver<Request>;

/// Receiver of an answer.
pub(crate) type Reply = oneshot::Receiver<(Answer, oneshot::Sender<()>)>;

/// Request that waits for its answer. If it is dropped without one, the client receives an error.
#[derive(Debug)]
pub struct Request {
    /// Name of the command in the table.
    pub command: &'static str,
    /// Parameters, as many as the table allows.
    pub params: Vec<String>,
    reply: oneshot::Sender<(Answer, oneshot::Sender<()>)>,
}

impl Request {
    /// Makes a request, and the receiver of its answer. The client sends on the channel that comes with the answer when
    /// it has it.
    pub(crate) fn new(command: &'static str, params: Vec<String>) -> (Self, Reply) {
        let (reply, answer) = oneshot::channel();
        (Self { command, params, reply }, answer)
    }

    /// Returns true if the client no longer waits for the answer.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Sends the answer. The future ends when the client has the answer, has closed its connection, or does not read it
    /// in time. Most callers need not wait for it, but a process that exits after this answer should.
    pub fn answer(self, answer: Answer) -> impl Future<Output = ()> {
        let (sent, has_it) = oneshot::channel();
        // The client may be gone.
        let _ = self.reply.send((answer, sent));
        async {
            let _ = has_it.await;
        }
    }
}
