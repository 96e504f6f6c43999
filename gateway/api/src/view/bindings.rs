//! `show bindings`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Binding of a VLAN of a port to a logical switch: every one in the database, and any other that is programmed.
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
    /// Its state: `forwards`, or the reason why not.
    pub state: Cow<'static, str>,
    /// Reason why it does not forward, and the remedy; None if it forwards.
    pub reason: Option<String>,
    /// Traffic counters.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Traffic of a binding or tunnel, from the gateway's view. Bytes count the inner Ethernet frame, without VLAN tag and
/// frame check sequence, so both ends of a path count the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames received from the VLAN or tunnel.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent to the VLAN or tunnel.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

impl From<gateway_common::binding::Traffic> for Traffic {
    fn from(counted: gateway_common::binding::Traffic) -> Self {
        let gateway_common::binding::Traffic { rx_packets, rx_bytes, tx_packets, tx_bytes } = counted;
        Self { rx_packets, rx_bytes, tx_packets, tx_bytes }
    }
}
