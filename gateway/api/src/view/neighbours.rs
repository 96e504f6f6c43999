//! `show neighbours`.

use std::net::IpAddr;

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::mac_text;

/// Next hop of tunnels: a remote VTEP on the link itself, or a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// The interface it is on: an uplink, or a VLAN subinterface of one.
    pub interface: String,
    /// State of its resolution.
    pub state: NeighbourState,
    /// Its link-layer address, where it is known.
    #[serde(with = "mac_text::maybe")]
    pub mac: Option<MacAddr>,
    /// The remote VTEPs that are reached through it, in order.
    pub remotes: Vec<IpAddr>,
}

/// State of the resolution of a next hop by ARP or neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeighbourState {
    /// It answers, or its address is fixed.
    Resolved,
    /// Requests are sent; there is no answer yet.
    Pending,
    /// It did not answer; requests are repeated.
    Failed,
}
