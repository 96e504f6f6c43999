//! `show tunnels`.

use std::net::IpAddr;

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::{bindings::Traffic, mac_text};

/// Tunnel between one of this gateway's addresses and a remote VTEP, as programmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Address of this gateway.
    pub local: IpAddr,
    /// Address of the remote VTEP.
    pub remote: IpAddr,
    /// VNIs of the packets sent to it, in order.
    pub vnis: Vec<u32>,
    /// Static MACs behind it.
    pub macs_given: u64,
    /// Path of the packets, or the reason why there is none.
    #[serde(flatten)]
    pub path: Path,
    /// Path MTU: the longest IP packet that a router on the path lets through, if one has reported it recently.
    #[serde(default)]
    pub path_mtu_bytes: Option<u32>,
    /// Time until the path MTU expires, unless it is reported again.
    #[serde(default)]
    pub path_mtu_seconds_left: Option<u64>,
    /// Traffic counters.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Path to a remote VTEP; the field `state` has the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Path {
    /// Packets can leave.
    Resolved {
        /// The uplink; `if` and its index where the interface is gone.
        uplink: String,
        /// VLAN tag on the uplink, 0 for none.
        uplink_vlan: u16,
        /// Destination Ethernet address: the remote VTEP's, or the router's.
        #[serde(with = "mac_text")]
        next_hop_mac: MacAddr,
        /// The longest inner frame that fits, without VLAN tag and frame check sequence.
        max_frame_bytes: u32,
    },
    /// Packets cannot leave.
    Unresolved {
        /// The reason, and the remedy.
        why: String,
    },
}

impl Tunnel {
    /// Returns the reason why packets cannot leave, if so.
    pub fn why_not(&self) -> Option<&str> {
        match &self.path {
            Path::Resolved { .. } => None,
            Path::Unresolved { why } => Some(why),
        }
    }
}
