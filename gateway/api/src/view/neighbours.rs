//! `show neighbours`.

use std::net::IpAddr;

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::mac_text;

/// A next hop of tunnels: a remote VTEP on the link itself, or a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// The interface it is on: an uplink, or a VLAN subinterface of one.
    pub interface: String,
    /// Whether it answers.
    pub state: NeighbourState,
    /// Its link-layer address, where it is known.
    #[serde(with = "mac_text::maybe")]
    pub mac: Option<MacAddr>,
    /// The remote VTEPs that are reached through it, in order.
    pub remotes: Vec<IpAddr>,
}

/// Whether a next hop answers ARP or neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeighbourState {
    /// It does, or its address is fixed.
    Resolved,
    /// It is being asked.
    Pending,
    /// It was asked and does not; it is asked again and again.
    Failed,
}
