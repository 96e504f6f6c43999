//! One connection, without the connection: bytes and the time come in, bytes and events go out.

use std::time::Instant;

use super::{
    Decoder, Operation, Options, TransactError,
    conversation::{Conversation, Output},
    failure::Failure,
    framing::Framer,
    liveness::{Liveness, Silence},
    message::Message,
    replica::Replica,
};

/// The longest message that is taken, in bytes: a picture of some millions of rows.
pub(crate) const LONGEST_MESSAGE: usize = 1 << 30;

/// One connection. After an error it is of no more use.
#[derive(Debug)]
pub(crate) struct Session {
    framer: Framer,
    liveness: Liveness,
    conversation: Conversation,
    live_since: Option<Instant>,
}

impl Session {
    /// A connection to the server `remote` that was just made.
    pub(crate) fn new(now: Instant, remote: String, options: &Options) -> Self {
        Self {
            framer: Framer::new(LONGEST_MESSAGE),
            liveness: Liveness::new(now, options.probe),
            conversation: Conversation::new(remote, options),
            live_since: None,
        }
    }

    /// Takes bytes that were received.
    pub(crate) fn receive<D: Decoder>(
        &mut self,
        now: Instant,
        bytes: &[u8],
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        self.liveness.heard(now);
        self.framer.push(bytes);
        let result = self.take_messages(replica, outputs);
        if result.is_err() {
            // Whatever it was that was not understood: next time everything is to be told, not only what came after.
            replica.set_last_transaction(None);
        }
        self.liveness.set_patient(self.conversation.awaits_picture());
        if self.live_since.is_none() && self.conversation.is_live() {
            self.live_since = Some(now);
        }
        result
    }

    fn take_messages<D: Decoder>(
        &mut self,
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        while let Some(text) = self.framer.next()? {
            self.conversation.take(Message::parse(text)?, replica, outputs)?;
        }
        Ok(())
    }

    /// When to call [`look`](Self::look).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.liveness.deadline()
    }

    /// Looks how late it is.
    pub(crate) fn look(&mut self, now: Instant) -> Result<(), Failure> {
        match self.liveness.look(now) {
            Silence::Short => Ok(()),
            Silence::Ask => {
                self.conversation.echo();
                Ok(())
            }
            Silence::Gone(silence) => Err(Failure::Silent(silence)),
        }
    }

    /// Sends a transaction; the result names it in its [`Output::Answer`].
    pub(crate) fn transact(&mut self, operations: &[Operation]) -> Result<u64, TransactError> {
        self.conversation.transact(operations)
    }

    /// Bytes to send.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.conversation.out().unsent()
    }

    /// The first `count` of them were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.conversation.out_mut().sent(count);
    }

    /// Since when it is good to work with.
    pub(crate) fn live_since(&self) -> Option<Instant> {
        self.live_since
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
