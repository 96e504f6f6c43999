//! Address conflict: two nodes have the virtual addresses, seen from the node that keeps them.
//!
//! After a network split both nodes were active, and neighbours believe the node that announced the addresses last. The
//! node that stays active therefore announces them when it receives an advertisement of the other node, and once more
//! when the other node has stopped.

use std::time::Duration;

use super::Time;

/// Least time between two conflicts that are answered. Without this limit, forged advertisements could make this node
/// announce the addresses of all stations behind the tunnels without end.
const APART: Duration = Duration::from_secs(1);

/// Progress of the conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No other node advertises the addresses.
    #[default]
    None,
    /// Another node has advertised them.
    Detected,
    /// The addresses were announced since then. The other node may still have them.
    Announced,
}

/// A conflict over the addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AddressConflict {
    state: State,
    /// Earliest time at which the next conflict is answered.
    from: Time,
}

impl AddressConflict {
    /// Records an advertisement of another node. Its notice that it has stopped may be the only one that arrives.
    pub(super) fn advert_received(&mut self) {
        if self.state == State::None {
            self.state = State::Detected;
        }
    }

    /// Records that this node has lost the addresses.
    pub(super) fn end(&mut self) {
        self.state = State::None;
    }

    /// Advances the time. `over` is true if no other node can have the addresses any more. Returns true if they are to
    /// be announced.
    pub(super) fn settle(&mut self, now: Time, over: bool) -> bool {
        match self.state {
            State::Detected if now >= self.from => self.from = now + APART,
            State::Announced if over => {}
            _ => return false,
        }
        self.state = if over { State::None } else { State::Announced };
        true
    }

    /// Returns the time at which [`Self::settle`] has something to do, if the other node stops at `end`.
    pub(super) fn due(&self, end: Time) -> Option<Time> {
        match self.state {
            State::None => None,
            State::Detected => Some(self.from),
            State::Announced => Some(end),
        }
    }
}
