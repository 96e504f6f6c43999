//! One node: the map that outlives the process, the socket, and the driver's turn in steps between which anything may
//! happen.

use std::{collections::VecDeque, time::Duration};

use gateway::vrrp::{Action, Heard, Interval, Leave, Machine, Settings, Token, Tracked};

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
    pub(crate) process: Option<Process>,
    /// What of the event queue is for the process as it is now.
    pub(crate) turn: u64,
    pub(crate) wakes: Moment,
}

pub(crate) struct Process {
    pub(crate) machine: Option<Machine>,
    pub(crate) step: Step,
    /// Advertisements in the socket, and when they arrived by the clock of this node.
    pub(crate) socket: Vec<(usize, Heard, Duration)>,
    /// Words on the error queue.
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

/// Where the driver is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The lease left behind is read.
    Find,
    /// The machine is made.
    Make {
        found: Duration,
    },
    /// Waiting for something to happen.
    Wait,
    /// The clock is read.
    Clock,
    /// What waits in the socket is read.
    Drain {
        now: Duration,
    },
    Tick {
        now: Duration,
    },
    /// The next action is asked for.
    Next,
    /// An advertisement is handed to the kernel; its clock was read.
    Send {
        token: Token,
        priority: u8,
        interval: Interval,
        started: Duration,
    },
    /// Any other action is carried out.
    Do(Action),
    /// The clock is read for the word of leaving.
    Word {
        token: Token,
        started: Duration,
    },
    Left {
        token: Token,
        started: Duration,
        now: Duration,
    },
}

impl Process {
    pub(crate) fn new() -> Self {
        Self {
            machine: None,
            step: Step::Find,
            socket: Vec::new(),
            words: VecDeque::new(),
            orders: VecDeque::new(),
            leaving: false,
        }
    }
}

impl Node {
    pub(crate) fn order(&mut self, order: Order) {
        if let Some(process) = &mut self.process {
            process.orders.push_back(order);
        }
    }
}
