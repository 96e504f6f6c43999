//! Two nodes that both have the addresses, seen from the one that keeps them.
//!
//! After a split both were active, and neighbours believe whoever has announced the addresses last. So the node that stays
//! active announces them when it hears of the other one, and once more when that has stopped.

use std::time::Duration;

use super::Time;

/// Between two contests that are answered: whoever forges advertisements shall not have this node announce all the
/// cloud's stations without end.
const APART: Duration = Duration::from_secs(1);

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nobody else is heard.
    #[default]
    None,
    /// Another node has shown up.
    Heard,
    /// The addresses were announced since. The other one may have them still.
    Announced,
}

/// A contest for the addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AddressConflict {
    state: State,
    /// When the next one is answered at the earliest.
    from: Time,
}

impl AddressConflict {
    /// Another node was heard; that it has stopped may be all that is ever heard of it.
    pub(super) fn heard(&mut self) {
        if self.state == State::None {
            self.state = State::Heard;
        }
    }

    /// This node has lost the addresses.
    pub(super) fn end(&mut self) {
        self.state = State::None;
    }

    /// Time goes on; `over` says whether no other node may have the addresses any more. True if they are to be announced.
    pub(super) fn settle(&mut self, now: Time, over: bool) -> bool {
        match self.state {
            State::Heard if now >= self.from => self.from = now + APART,
            State::Announced if over => {}
            _ => return false,
        }
        self.state = if over { State::None } else { State::Announced };
        true
    }

    /// When [`Self::settle`] has something to do, if the other node stops at `end`.
    pub(super) fn due(&self, end: Time) -> Option<Time> {
        match self.state {
            State::None => None,
            State::Heard => Some(self.from),
            State::Announced => Some(end),
        }
    }
}
