//! One connection, without the connection: bytes and the time come in, bytes and events go out.

use std::time::Instant;

use gateway_base::json_framing::Framer;

use super::{
    Decoder, Event, LockRequest, Operation, Options, TransactError,
    conversation::{Conversation, Output},
    failure::Failure,
    liveness::{Liveness, Silence},
    message::Message,
    patience::Patience,
    replica::Replica,
};

/// The longest message that is taken before the schema has come, in bytes. A schema takes some ten thousand.
const LONGEST_OPENING: usize = 4 << 20;

/// One connection. After an error it is of no more use.
#[derive(Debug)]
pub struct Session {
    framer: Framer,
    longest: usize,
    liveness: Liveness,
    patience: Patience,
    conversation: Conversation,
    live_since: Option<Instant>,
}

impl Session {
    /// A connection to the server `remote` that was just made.
    pub fn new(now: Instant, remote: String, options: &Options) -> Self {
        Self {
            framer: Framer::new(LONGEST_OPENING.min(options.longest_message)),
            longest: options.longest_message,
            patience: Patience::default(),
            liveness: Liveness::new(now, options.probe),
            conversation: Conversation::new(remote, options),
            live_since: None,
        }
    }

    /// Takes bytes that were received.
    pub fn receive<D: Decoder>(
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
        self.note(now);
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
        while let Some(text) = self.framer.next_text()? {
            self.conversation.take(Message::parse(text)?, replica, outputs)?;
            self.patience.message_ended();
            if self.conversation.knows_schema() {
                self.framer.set_limit(self.longest);
            }
        }
        Ok(())
    }

    /// Takes note of what the server has yet to do.
    fn note(&mut self, now: Instant) {
        let (conversation, within) = (&self.conversation, self.framer.is_within());
        let (last, patient) = (conversation.last_call(), conversation.awaits_picture());
        self.patience.note(now, last, |call| conversation.awaits(call), within, patient);
    }

    /// When to call [`look`](Self::look).
    pub fn deadline(&self) -> Option<Instant> {
        self.liveness.deadline().into_iter().chain(self.patience.deadline()).min()
    }

    /// Looks how late it is.
    pub fn look(&mut self, now: Instant) -> Result<(), Failure> {
        self.patience.look(now)?;
        match self.liveness.look(now) {
            Silence::Short => Ok(()),
            Silence::Ask => {
                self.conversation.echo();
                self.note(now);
                Ok(())
            }
            Silence::Gone(silence) => Err(Failure::Silent(silence)),
        }
    }

    /// Sends a transaction; the result names it in its [`Output::Answer`].
    pub fn transact(&mut self, now: Instant, operations: &[Operation]) -> Result<u64, TransactError> {
        let call = self.conversation.transact(operations);
        self.note(now);
        call
    }

    /// Asks for a lock, or gives it back. Gives what is to be told of it at once.
    pub fn lock<R>(&mut self, now: Instant, name: &str, request: LockRequest) -> Option<Event<R>> {
        let state = self.conversation.lock(name, request);
        self.note(now);
        state.map(Event::Lock)
    }

    /// Bytes to send.
    pub fn unsent(&self) -> &[u8] {
        self.conversation.out().unsent()
    }

    /// The first `count` of them were sent.
    pub fn sent(&mut self, count: usize) {
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
