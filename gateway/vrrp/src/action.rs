//! Inputs, actions and status of a [`Machine`](crate::Machine).

use std::net::IpAddr;

use super::{Interval, Priority, Time};

/// Identifies one advertisement from [`Action::Advertise`] until its transmission is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Action that the [`Machine`](crate::Machine) requests. The driver performs actions in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advertisement.
    Advertise {
        /// Identifies the advertisement when its transmission is reported.
        token: Token,
        /// Priority to advertise; 0: this node leaves.
        priority: u8,
        /// The interval to advertise.
        interval: Interval,
    },
    /// Allow the data plane to forward until that time; [`Time::ZERO`]: stop forwarding now.
    Lease(Time),
    /// Put the virtual addresses on the interface.
    AddAddresses,
    /// Remove the virtual addresses from the interface.
    RemoveAddresses,
    /// Announce the virtual addresses on the underlay (gratuitous ARP, unsolicited neighbour advertisement).
    Announce,
}

/// A valid advertisement that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAdvert {
    /// Address of the sender.
    pub from: IpAddr,
    /// Priority of the sender; 0: the sender leaves.
    pub priority: u8,
    /// Advertised interval.
    pub interval: Interval,
}

/// Combined result of all tracked objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// True if this node can't be active.
    pub fault: bool,
    /// Value that is added to the priority.
    pub delta: i32,
}

/// The ways in which a node can leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Another node takes over at once.
    Handover,
    /// The process restarts before the lease ends, and the node keeps its role.
    Keep,
}

/// The states of a virtual router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The startup delay has not ended.
    #[default]
    Starting,
    /// A tracked object has a fault.
    Fault,
    /// Another node is active, or will become active.
    Backup,
    /// This node wants to forward. It waits until no other node can still forward.
    Claiming,
    /// This node forwards.
    Active,
}

/// Status of a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub role: Role,
    /// Time of the last change of state.
    pub since: Time,
    /// The effective priority.
    pub priority: Priority,
    /// Address of the active node while another node is active.
    pub active: Option<IpAddr>,
    /// The effective interval: that of the active node.
    pub interval: Interval,
    /// End of the lease, if there is one.
    pub lease: Option<Time>,
    /// The node that the role was left to, because it does not receive the advertisements of this one.
    pub deaf_peer: Option<IpAddr>,
    /// The reason why a claim waits (Claiming).
    pub holdup: Option<Holdup>,
}

/// Reason why a node that claims the role does not forward yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holdup {
    /// That node may still forward: it has advertised, and has not announced that it stops.
    Node {
        /// Address of the node.
        from: IpAddr,
        /// Its last advertised priority.
        priority: u8,
    },
    /// An unknown node may still forward: its advertisements were lost, or the table of nodes is full.
    Unknown,
    /// No advertisement of this node has been transmitted.
    Unsent,
}
