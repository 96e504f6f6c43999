//! `show switches`.

use serde::{Deserialize, Serialize};

/// A logical switch: a VXLAN network and the VLANs that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name in the database. None: an earlier run programmed the switch, and the database, which alone has the
    /// name, has not been reached yet.
    pub name: Option<String>,
    /// Its VXLAN network identifier. None: the controller has not bound it, and it does not forward.
    pub vni: Option<u32>,
    /// Its instance, which has the tunnel addresses and the lease that it forwards with.
    pub instance: Option<String>,
    /// True if it is programmed.
    pub programmed: bool,
    /// Reason why it is not programmed; None if it is.
    pub reason: Option<String>,
    /// VLANs of access ports that are bound to it, as programmed.
    pub bindings: u32,
    /// VLANs of ports that the database binds to it.
    pub bindings_bound: u32,
    /// Remote VTEPs that get a copy of broadcast, unknown unicast and multicast, as programmed.
    pub flood_remotes: u32,
    /// Static MACs.
    pub macs_given: u64,
    /// MACs that were learned and not forgotten yet.
    pub macs_learned: u64,
    /// Limit of learned MACs: its own, or its share of the capacity that static MACs leave.
    pub learn_limit: u64,
    /// True if MACs of remote stations are learned from frames that arrive through tunnels.
    pub learn_remote: bool,
}
