//! One node: the map that outlives the process, the socket, and what waits for the process.

use std::{collections::VecDeque, time::Duration};

use gateway_vrrp::{Heard, Leave, Settings, Token, Tracked};

use crate::clock::{Clock, Moment};

pub(crate) struct Node {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) tracked: Tracked,
    /// The kernel's part: the map's entry.
    pub(crate) lease: Duration,
    pub(crate) mute: bool,
    /// The word that an advertisement has left comes from its timestamp, not from the send that succeeded.
    pub(crate) stamps: bool,
    /// Advertisements that the socket has room for.
    pub(crate) room: usize,
    /// Advertisements read in one turn.
    pub(crate) most: usize,
    pub(crate) process: Option<Process>,
    /// What of the event queue is for the process as it is now.
    pub(crate) turn: u64,
    pub(crate) wakes: Moment,
}

/// What the world has for a process that runs.
#[derive(Default)]
pub(crate) struct Process {
    /// Its turn is over, and it waits for something to happen.
    pub(crate) waits: bool,
    /// Advertisements in the socket, and when they arrived by the clock of this node.
    pub(crate) socket: VecDeque<(usize, Heard, Duration)>,
    /// Some found no room there.
    pub(crate) overran: bool,
    /// Advertisements that have left: words on the error queue, or sends that succeeded.
    pub(crate) words: VecDeque<(Token, Duration)>,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) leaving: bool,
}

/// What comes from the rest of the agent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Track(Tracked),
    Handover,
    Leave(Leave),
    Reconfigure(Settings),
}

impl Process {
    pub(crate) fn has_news(&self) -> bool {
        !self.socket.is_empty() || !self.orders.is_empty() || !self.words.is_empty()
    }
}

impl Node {
    pub(crate) fn order(&mut self, order: Order) {
        if let Some(process) = &mut self.process {
            process.orders.push_back(order);
        }
    }
}
