//! `show switches`.

use serde::{Deserialize, Serialize};

/// A logical switch: a VXLAN network and the VLANs that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name in the database. None: what an earlier run has programmed stays until the database is reached, and only it
    /// has the name.
    pub name: Option<String>,
    /// Its VXLAN network identifier. None: the controller has not bound it, and it does not forward.
    pub vni: Option<u32>,
    /// The instance it belongs to: whose tunnel addresses and lease it forwards with.
    pub instance: Option<String>,
    /// It is programmed.
    pub programmed: bool,
    /// Why it is not; None if it is.
    pub reason: Option<String>,
    /// VLANs of access ports that are bound to it, as programmed.
    pub bindings: u32,
    /// VLANs of ports that the database binds to it.
    pub bindings_bound: u32,
    /// Remote VTEPs that get a copy of broadcast, unknown unicast and multicast, as programmed.
    pub flood_remotes: u32,
    /// MACs that the database places.
    pub macs_given: u64,
    /// MACs that were learned and not forgotten yet.
    pub macs_learned: u64,
    /// Learned MACs at most: its limit, or its share of the room that given MACs leave.
    pub learn_limit: u64,
    /// The MACs of remote stations are learned from what arrives through tunnels.
    pub learn_remote: bool,
}
