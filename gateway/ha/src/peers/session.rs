//! One conversation: bytes and the time in, bytes out. It owns no socket and reads no clock.

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

/// Who has said nothing for so long says that it is there.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(3);
/// Who is silent for so long, or takes nothing, is taken to be gone.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// No more is made ready to be sent while this much is.
const READY: usize = 64 << 10;

/// Why a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Heard(#[from] ReceiveError),
    #[error(transparent)]
    Secure(#[from] SecureError),
    #[error("it sent a line of more than {LINE} bytes")]
    TooLong,
    #[error("nothing was heard of it for {0:?}")]
    Silent(Duration),
    #[error("it did not say within {0:?} who it is")]
    Nameless(Duration),
    #[error("it took nothing of what it was told for {0:?}")]
    Stuck(Duration),
}

/// What the two sides are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// This node has called an active one, to be told its stations.
    Follower,
    /// This node was called, and tells.
    Source,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Session {
    side: Side,
    secure: Secure,
    /// What is said first, once something may be said.
    hello: Option<Message>,
    framer: LineFramer,
    receiver: Receiver,
    sender: Sender,
    out: Vec<u8>,
    /// Bytes of `out` that have left.
    left: usize,
    began: Time,
    heard: Time,
    said: Time,
    /// When something left last, or there was nothing to leave.
    moved: Time,
}

impl Session {
    /// Begins, as `node`. A follower takes `max_stations` at most.
    pub(super) fn new(now: Time, side: Side, node: &str, max_stations: usize, terms: Terms) -> Self {
        let mut out = Vec::new();
        let secure = Secure::new(side, terms, &mut out);
        let hello = Some(Message::Hello { protocol: PROTOCOL, node: node.to_owned() });
        let receiver = Receiver::new(side == Side::Follower, max_stations);
        let (framer, sender) = (LineFramer::new(LINE), Sender::default());
        let (began, heard, said, moved) = (now, now, now, now);
        Self { side, secure, hello, framer, receiver, sender, out, left: 0, began, heard, said, moved }
    }

    /// What is to be told from now on. Only who was called tells of stations.
    pub(super) fn want(&mut self, description: Arc<Description>, stations: Arc<ByVrid<Stations>>) {
        let stations = if self.side == Side::Source { stations } else { super::sender::none() };
        self.sender.want(description, stations);
    }

    /// Takes in what was received.
    pub(super) fn receive(&mut self, now: Time, bytes: &[u8]) -> Result<(), SessionError> {
        self.heard = now;
        let mut said = Vec::new();
        self.secure.receive(bytes, &mut said, &mut self.out)?;
        self.framer.push(&said);
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

    /// What is to be sent.
    pub(super) fn unsent(&mut self) -> &[u8] {
        if self.left == self.out.len() {
            self.out.clear();
            self.left = 0;
        }
        while self.out.len() < READY
            && self.secure.may_speak()
            && let Some(message) = self.hello.take().or_else(|| self.sender.next())
        {
            self.say(&message);
        }
        &self.out[self.left..]
    }

    fn say(&mut self, message: &Message) {
        let mut line = Vec::new();
        message.encode(&mut line);
        self.secure.say(&line, &mut self.out);
    }

    /// So much of it was sent.
    pub(super) fn sent(&mut self, now: Time, count: usize) {
        self.left = (self.left + count).min(self.out.len());
        (self.said, self.moved) = (now, now);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Time {
        let gone = if self.node().is_none() { self.began } else { self.heard } + SILENCE;
        let next = if self.left < self.out.len() { self.moved + SILENCE } else { self.said + KEEPALIVE };
        gone.min(next)
    }

    /// Looks what time it is; comes after everything that was received has been taken in.
    pub(super) fn look(&mut self, now: Time) -> Result<(), SessionError> {
        if now >= self.heard + SILENCE {
            return Err(SessionError::Silent(SILENCE));
        }
        // A byte now and then is no reason to keep a place for somebody without a name.
        if self.node().is_none() && now >= self.began + SILENCE {
            return Err(SessionError::Nameless(SILENCE));
        }
        if !self.unsent().is_empty() {
            return if now >= self.moved + SILENCE { Err(SessionError::Stuck(SILENCE)) } else { Ok(()) };
        }
        if now >= self.said + KEEPALIVE {
            self.say(&Message::Alive);
            (self.said, self.moved) = (now, now);
        }
        Ok(())
    }

    /// The last line, which tells why; nothing if half a line is on its way, or to somebody who may be anybody.
    pub(super) fn farewell(&mut self, why: &SessionError) -> Vec<u8> {
        let (mut line, mut last) = (Vec::new(), Vec::new());
        if self.left == self.out.len()
            && self.secure.may_speak()
            && !matches!(why, SessionError::Heard(ReceiveError::Bye(_)))
        {
            Message::Bye { reason: why.to_string() }.encode(&mut line);
            self.secure.say(&line, &mut last);
        }
        last
    }

    /// Messages that wait to be made ready.
    #[cfg(test)]
    fn telling_queue(&self) -> usize {
        self.sender.waiting()
    }

    /// The other node's name, once it has said it.
    pub(super) fn node(&self) -> Option<&str> {
        self.receiver.node()
    }

    /// What the other node is, once it has told all of it.
    pub(super) fn description(&self) -> Option<&Arc<Description>> {
        self.receiver.description()
    }

    /// The stations of a virtual router, if they were told to the end.
    pub(super) fn stations(&self, vrid: Vrid) -> Option<&Stations> {
        self.receiver.stations(vrid)
    }

    /// What is new since the last call.
    pub(super) fn news(&mut self) -> News {
        self.receiver.news()
    }
}

impl From<MessageError> for SessionError {
    fn from(error: MessageError) -> Self {
        Self::Heard(error.into())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
