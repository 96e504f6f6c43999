//! `show bindings`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A VLAN of a port that is bound to a logical switch: all that the database has, and what else is programmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The access port; `if` and its index where the interface is gone.
    pub port: String,
    /// The VLAN, 0 for untagged frames.
    pub vlan: u16,
    /// VNI of the logical switch; None while it has none.
    pub vni: Option<u32>,
    /// Name of the logical switch, where the database is known.
    pub switch: Option<String>,
    /// Its state: `forwards`, or what keeps it from that.
    pub state: Cow<'static, str>,
    /// Why it does not forward, and what to do about that; None if it does.
    pub reason: Option<String>,
    /// What it has carried.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// What a binding or tunnel has carried, as the gateway sees it. Bytes count the inner Ethernet frame, without VLAN tag and
/// frame check sequence, so both ends of a crossing count the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames that came from the VLAN or tunnel.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames sent there.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
}

impl From<gateway_common::binding::Traffic> for Traffic {
    fn from(counted: gateway_common::binding::Traffic) -> Self {
        let gateway_common::binding::Traffic { rx_packets, rx_bytes, tx_packets, tx_bytes } = counted;
        Self { rx_packets, rx_bytes, tx_packets, tx_bytes }
    }
}
