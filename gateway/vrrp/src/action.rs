//! What a virtual router is told, and what it wants done.

use std::net::IpAddr;

use super::{Interval, Priority, Time};

/// Names one advertisement between [`Action::Advertise`] and the word that it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Something to be done, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advertisement.
    Advertise {
        /// To say later that it has left.
        token: Token,
        /// 0: this node leaves.
        priority: u8,
        /// The interval to advertise.
        interval: Interval,
    },
    /// Let the data plane forward until then; [`Time::ZERO`]: not at all, from now on.
    Lease(Time),
    /// Put the virtual addresses on the interface.
    AddAddresses,
    /// Take them off.
    RemoveAddresses,
    /// Tell the underlay where the virtual addresses are now (gratuitous ARP, unsolicited neighbour advertisement).
    Announce,
}

/// An advertisement that has arrived and is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub from: IpAddr,
    /// Its priority; 0: it leaves.
    pub priority: u8,
    /// The interval it gives.
    pub interval: Interval,
}

/// What is tracked, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// This node can't be active.
    pub fault: bool,
    /// Added to its priority.
    pub delta: i32,
}

/// How a node leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Another one takes over at once.
    Handover,
    /// It will be back before the lease ends, and keeps its role.
    Keep,
}

/// The states of a virtual router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Started, and waiting for the end of the startup delay.
    #[default]
    Starting,
    /// Something tracked is at fault.
    Fault,
    /// Another node is active, or will be.
    Backup,
    /// This node wants to forward, and waits until no other one can still do.
    Claiming,
    /// This node forwards.
    Active,
}

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub role: Role,
    /// Since when.
    pub since: Time,
    /// The priority in force.
    pub priority: Priority,
    /// The active node's address while another one is active.
    pub active: Option<IpAddr>,
    /// The interval in force: the active node's.
    pub interval: Interval,
    /// The end of the lease, while there is one.
    pub lease: Option<Time>,
    /// The node that the role was left to, since it does not hear this one.
    pub unheard: Option<IpAddr>,
    /// What a claim waits for (Claiming).
    pub holdup: Option<Holdup>,
}

/// What keeps a node that claims the role from forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holdup {
    /// That node may forward still: it has advertised, and has not said that it stops.
    Node {
        /// Who.
        from: IpAddr,
        /// The priority it gave last.
        priority: u8,
    },
    /// Somebody may whose advertisements were lost, or who is one of too many.
    Unknown,
    /// No advertisement of this node has left.
    Unsent,
}
