//! One node: the map that outlives the process, the socket, and the events that wait for the process.

use std::{collections::VecDeque, time::Duration};

use gateway_vrrp::{Leave, PeerAdvert, Settings, Token, Tracked};

use crate::clock::{Clock, Moment};

pub(crate) struct Node {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) tracked: Tracked,
    /// The kernel's part: the map's entry.
    pub(crate) lease: Duration,
    pub(crate) mute: bool,
    /// True if the timestamp reports that an advertisement has left, not the successful send.
    pub(crate) stamps: bool,
    /// Advertisements that the socket has room for.
    pub(crate) room: usize,
    /// Advertisements read in one turn.
    pub(crate) most: usize,
    pub(crate) process: Option<Process>,
    /// Number of the current turn: events of earlier turns are void.
    pub(crate) turn: u64,
    pub(crate) wakes: Moment,
}

/// World of a running process.
#[derive(Default)]
pub(crate) struct Process {
    /// True if its turn is over, and it waits for an event.
    pub(crate) waits: bool,
    /// Advertisements in the socket, and when they arrived by the clock of this node.
    pub(crate) socket: VecDeque<(usize, PeerAdvert, Duration)>,
    /// True if the socket had no room for some of them.
    pub(crate) overran: bool,
    /// Advertisements that have left: entries of the error queue, or successful sends.
    pub(crate) tx_completed: VecDeque<(Token, Duration)>,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) leaving: bool,
}

/// Orders from the rest of the agent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Track(Tracked),
    Handover,
    Leave(Leave),
    Reconfigure(Settings),
}

impl Process {
    pub(crate) fn has_news(&self) -> bool {
        !self.socket.is_empty() || !self.orders.is_empty() || !self.tx_completed.is_empty()
    }
}

impl Node {
    pub(crate) fn order(&mut self, order: Order) {
        if let Some(process) = &mut self.process {
            process.orders.push_back(order);
        }
    }
}
