//! Plan of a pair, and its names.

use std::net::IpAddr;

use crate::{
    config::{Mode, Vrrp},
    crossing::Underlay,
};

/// Number of the virtual address on the underlay.
pub const VIRTUAL: u8 = 20;
/// Numbers of the two gateways on the underlay, and their names.
pub const NODES: [(u8, &str); 2] = [(21, "gw1"), (22, "gw2")];
/// The network of a pair with OVN.
pub const NETWORK: &str = "net1";
/// The access port of each node.
pub const PORT: &str = "a0";
/// Another VLAN that the trunks carry; it is empty at first.
pub const VLAN2: u16 = 200;

/// Plan of a pair.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Mode of the NICs.
    pub mode: Mode,
    /// The virtual router of both; `None`: there is none, and both forward.
    pub vrrp: Option<Vrrp>,
    /// Priorities of the two nodes.
    pub priorities: [u8; 2],
    /// Addresses on the underlay, with a Linux VTEP.
    pub underlay: Underlay,
}

impl Default for Plan {
    /// Advertisements each 100 ms. The first node has the higher priority, but neither node preempts, so that each
    /// event is one takeover.
    fn default() -> Self {
        Self::interval(0.1)
    }
}

impl Plan {
    /// Makes the default plan with another advertisement interval, in seconds.
    pub fn interval(seconds: f64) -> Self {
        let vrrp = Vrrp { preempt: Some(false), ..Vrrp::new(20, seconds) };
        Self { mode: Mode::Xdp, vrrp: Some(vrrp), priorities: [150, 100], underlay: Underlay::V4 }
    }

    /// Makes a plan for tests that do not measure time: a machine that stalls for a second or two moves no role.
    pub fn steady() -> Self {
        Self::interval(1.0)
    }

    /// Makes a plan with gateways that do not know each other.
    pub fn without_vrrp() -> Self {
        Self { vrrp: None, ..Self::default() }
    }
}

/// The address that moves between the nodes.
pub fn virtual_address() -> IpAddr {
    Underlay::V4.ip(VIRTUAL)
}
