//! Session: one conversation. Its input is bytes and the time, its output bytes. It owns no socket and reads no clock.

use std::{sync::Arc, time::Duration};

use gateway_vrrp::{Time, Vrid};

use super::{
    data::{Description, Stations},
    line_framing::{LineFramer, TooLong},
    message::{ByVrid, LINE, Message, MessageError, PROTOCOL},
    receiver::{News, ReceiveError, Receiver},
    secure::{Secure, SecureError, Terms},
    sender::Sender,
};

/// Time without other messages after which a keepalive is sent.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(3);
/// Time after which a node that is silent, or accepts no data, is considered gone.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// While this many bytes are ready to be sent, no more are prepared.
const READY: usize = 64 << 10;

/// Reason why a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Received(#[from] ReceiveError),
    #[error(transparent)]
    Secure(#[from] SecureError),
    #[error("it sent a line of more than {LINE} bytes")]
    TooLong,
    #[error("nothing was heard of it for {0:?}")]
    Silent(Duration),
    #[error("it did not say within {0:?} who it is")]
    Nameless(Duration),
    #[error("it read nothing of what was sent to it for {0:?}")]
    Stuck(Duration),
}

/// Role of this node in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// This node has called an active node to receive its stations.
    Follower,
    /// This node was called, and sends its stations.
    Source,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Session {
    side: Side,
    secure: Secure,
    /// First message, sent once data may be sent.
    hello: Option<Message>,
    framer: LineFramer,
    receiver: Receiver,
    sender: Sender,
    out: Vec<u8>,
    /// Number of bytes of `out` that were sent.
    left: usize,
    began: Time,
    last_received: Time,
    last_sent: Time,
    /// Time at which bytes were last sent, or nothing was left to send.
    moved: Time,
}

impl Session {
    /// Begins, with the name `node`. A follower accepts at most `max_stations`.
    pub(super) fn new(now: Time, side: Side, node: &str, max_stations: usize, terms: Terms) -> Self {
        let mut out = Vec::new();
        let secure = Secure::new(side, terms, &mut out);
        let hello = Some(Message::Hello { protocol: PROTOCOL, node: node.to_owned() });
        let receiver = Receiver::new(side == Side::Follower, max_stations);
        let (framer, sender) = (LineFramer::new(LINE), Sender::default());
        let (began, last_received, last_sent, moved) = (now, now, now, now);
        Self { side, secure, hello, framer, receiver, sender, out, left: 0, began, last_received, last_sent, moved }
    }

    /// Sets the data to send. Only a called node sends stations.
    pub(super) fn want(&mut self, description: Arc<Description>, stations: Arc<ByVrid<Stations>>) {
        let stations = if self.side == Side::Source { stations } else { super::sender::none() };
        self.sender.want(description, stations);
    }

    /// Handles received bytes.
    pub(super) fn receive(&mut self, now: Time, bytes: &[u8]) -> Result<(), SessionError> {
        self.last_received = now;
        let mut plain = Vec::new();
        self.secure.receive(bytes, &mut plain, &mut self.out)?;
        self.framer.push(&plain);
        loop {
            match self.framer.next() {
                Err(TooLong) => return Err(SessionError::TooLong),
                Ok(None) => return Ok(()),
                Ok(Some(line)) => {
                    let message = Message::decode(line).map_err(ReceiveError::from)?;
                    self.receiver.take(message)?;
                }
            }
        }
    }

    /// Returns the bytes to send.
    pub(super) fn unsent(&mut self) -> &[u8] {
        if self.left == self.out.len() {
            self.out.clear();
            self.left = 0;
        }
        while self.out.len() < READY
            && self.secure.may_send()
            && let Some(message) = self.hello.take().or_else(|| self.sender.next())
        {
            self.queue(&message);
        }
        &self.out[self.left..]
    }

    fn queue(&mut self, message: &Message) {
        let mut line = Vec::new();
        message.encode(&mut line);
        self.secure.seal(&line, &mut self.out);
    }

    /// Records that this many bytes were sent.
    pub(super) fn sent(&mut self, now: Time, count: usize) {
        self.left = (self.left + count).min(self.out.len());
        (self.last_sent, self.moved) = (now, now);
    }

    /// Returns the time of the next call of [`Self::look`].
    pub(super) fn deadline(&self) -> Time {
        let gone = if self.node().is_none() { self.began } else { self.last_received } + SILENCE;
        let next = if self.left < self.out.len() { self.moved + SILENCE } else { self.last_sent + KEEPALIVE };
        gone.min(next)
    }

    /// Advances the time. To be called after all received bytes were handled.
    pub(super) fn look(&mut self, now: Time) -> Result<(), SessionError> {
        if now >= self.last_received + SILENCE {
            return Err(SessionError::Silent(SILENCE));
        }
        // A byte now and then is no reason to keep a place for a caller without a name.
        if self.node().is_none() && now >= self.began + SILENCE {
            return Err(SessionError::Nameless(SILENCE));
        }
        if !self.unsent().is_empty() {
            return if now >= self.moved + SILENCE { Err(SessionError::Stuck(SILENCE)) } else { Ok(()) };
        }
        if now >= self.last_sent + KEEPALIVE {
            self.queue(&Message::Alive);
            (self.last_sent, self.moved) = (now, now);
        }
        Ok(())
    }

    /// Returns the last line, which states the reason. It is empty if half a line is pending, or if the other side has
    /// not proved its identity.
    pub(super) fn farewell(&mut self, why: &SessionError) -> Vec<u8> {
        let (mut line, mut last) = (Vec::new(), Vec::new());
        if self.left == self.out.len()
            && self.secure.may_send()
            && !matches!(why, SessionError::Received(ReceiveError::Bye(_)))
        {
            Message::Bye { reason: why.to_string() }.encode(&mut line);
            self.secure.seal(&line, &mut last);
        }
        last
    }

    /// Returns the number of messages that wait to be prepared.
    #[cfg(test)]
    fn waiting_messages(&self) -> usize {
        self.sender.waiting()
    }

    /// Returns the other node's name, once it is received.
    pub(super) fn node(&self) -> Option<&str> {
        self.receiver.node()
    }

    /// Returns the other node's description, once it is complete.
    pub(super) fn description(&self) -> Option<&Arc<Description>> {
        self.receiver.description()
    }

    /// Returns the stations of a virtual router, if they are complete.
    pub(super) fn stations(&self, vrid: Vrid) -> Option<&Stations> {
        self.receiver.stations(vrid)
    }

    /// Returns the changes since the last call.
    pub(super) fn news(&mut self) -> News {
        self.receiver.news()
    }
}

impl From<MessageError> for SessionError {
    fn from(error: MessageError) -> Self {
        Self::Received(error.into())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
