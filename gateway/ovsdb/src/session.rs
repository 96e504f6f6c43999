//! Session: the state of one connection without its IO. Input is bytes and the time; output is bytes and events.

use std::time::Instant;

use gateway_base::json_framing::Framer;

use super::{
    Decoder, Event, LockRequest, Operation, Options, TransactError,
    conversation::{Conversation, Output},
    failure::Failure,
    liveness::{Liveness, Silence},
    message::Message,
    replica::Replica,
    timeouts::Timeouts,
};

/// Length limit in bytes of a message before the schema was received. A schema takes some ten thousand.
const LONGEST_OPENING: usize = 4 << 20;

/// State of one connection. After an error it can't be used any more.
#[derive(Debug)]
pub struct Session {
    framer: Framer,
    longest: usize,
    liveness: Liveness,
    timeouts: Timeouts,
    conversation: Conversation,
    live_since: Option<Instant>,
}

impl Session {
    /// Creates the session of a new connection to the server `remote`.
    pub fn new(now: Instant, remote: String, options: &Options) -> Self {
        Self {
            framer: Framer::new(LONGEST_OPENING.min(options.longest_message)),
            longest: options.longest_message,
            timeouts: Timeouts::default(),
            liveness: Liveness::new(now, options.probe),
            conversation: Conversation::new(remote, options),
            live_since: None,
        }
    }

    /// Processes bytes that were received.
    pub fn receive<D: Decoder>(
        &mut self,
        now: Instant,
        bytes: &[u8],
        replica: &mut Replica<D>,
        outputs: &mut Vec<Output<D::Row>>,
    ) -> Result<(), Failure> {
        self.liveness.received(now);
        self.framer.push(bytes);
        let result = self.take_messages(replica, outputs);
        if result.is_err() {
            // The message that was not understood may have been an update: the next session has to request the complete
            // contents, not only the later changes.
            replica.set_last_transaction(None);
        }
        self.liveness.set_patient(self.conversation.awaits_snapshot());
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
            self.timeouts.message_ended();
            if self.conversation.knows_schema() {
                self.framer.set_limit(self.longest);
            }
        }
        Ok(())
    }

    /// Updates the timeouts of the replies that are still awaited.
    fn note(&mut self, now: Instant) {
        let (conversation, within) = (&self.conversation, self.framer.is_within());
        let (last, patient) = (conversation.last_call(), conversation.awaits_snapshot());
        self.timeouts.note(now, last, |call| conversation.awaits(call), within, patient);
    }

    /// Returns the time at which to call [`look`](Self::look).
    pub fn deadline(&self) -> Option<Instant> {
        self.liveness.deadline().into_iter().chain(self.timeouts.deadline()).min()
    }

    /// Checks the timeouts, and sends an echo if the server is silent.
    pub fn check(&mut self, now: Instant) -> Result<(), Failure> {
        self.timeouts.check(now)?;
        match self.liveness.check(now) {
            Silence::Short => Ok(()),
            Silence::Ask => {
                self.conversation.echo();
                self.note(now);
                Ok(())
            }
            Silence::Gone(silence) => Err(Failure::Silent(silence)),
        }
    }

    /// Sends a transaction. Returns the number that identifies its [`Output::Answer`].
    pub fn transact(&mut self, now: Instant, operations: &[Operation]) -> Result<u64, TransactError> {
        let call = self.conversation.transact(operations);
        self.note(now);
        call
    }

    /// Requests or releases a lock. Returns an event if the state of the lock is known at once.
    pub fn lock<R>(&mut self, now: Instant, name: &str, request: LockRequest) -> Option<Event<R>> {
        let state = self.conversation.lock(name, request);
        self.note(now);
        state.map(Event::Lock)
    }

    /// Returns the bytes to send.
    pub fn unsent(&self) -> &[u8] {
        self.conversation.out().unsent()
    }

    /// Records that the first `count` bytes were sent.
    pub fn sent(&mut self, count: usize) {
        self.conversation.out_mut().sent(count);
    }

    /// Returns the time since which the connection is usable.
    pub(crate) fn live_since(&self) -> Option<Instant> {
        self.live_since
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
