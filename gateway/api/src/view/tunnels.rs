//! `show tunnels`.

use std::net::IpAddr;

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::{bindings::Traffic, mac_text};

/// A tunnel between one of this gateway's addresses and a remote VTEP, as programmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// This gateway's end.
    pub local: IpAddr,
    /// The other end.
    pub remote: IpAddr,
    /// The VNIs that packets are sent with there, in order.
    pub vnis: Vec<u32>,
    /// MACs that are given behind it.
    pub macs_given: u64,
    /// How packets leave, or why they can't.
    #[serde(flatten)]
    pub path: Path,
    /// The longest IP packet that a router on the way lets through, where one has said so lately.
    #[serde(default)]
    pub path_mtu_bytes: Option<u32>,
    /// Time until that is forgotten, if it is not said again.
    #[serde(default)]
    pub path_mtu_seconds_left: Option<u64>,
    /// What it has carried.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Whether packets can leave for a remote VTEP; the field `state` tells which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Path {
    /// They can.
    Resolved {
        /// The uplink they leave by; `if` and its index where the interface is gone.
        uplink: String,
        /// VLAN tag they have there, 0 for none.
        uplink_vlan: u16,
        /// The link-layer address they are sent to: the remote's, or the router's.
        #[serde(with = "mac_text")]
        next_hop_mac: MacAddr,
        /// The longest inner frame that fits, without VLAN tag and frame check sequence.
        max_frame_bytes: u32,
    },
    /// They can't.
    Unresolved {
        /// Why, and what to do about it.
        why: String,
    },
}

impl Tunnel {
    /// Why packets can't leave, if they can't.
    pub fn why_not(&self) -> Option<&str> {
        match &self.path {
            Path::Resolved { .. } => None,
            Path::Unresolved { why } => Some(why),
        }
    }
}
