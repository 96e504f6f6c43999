//! Logical switches and the members that broadcast, unknown unicast and multicast frames (BUM) are copied to.

use bytemuck::{Pod, Zeroable};

/// [`SwitchEntry::flags`]: learn the MACs of remote stations from what arrives through tunnels.
pub const LEARN_REMOTE: u32 = 1;
/// [`SwitchEntry::flags`]: a frame from a tunnel whose source is known to be elsewhere is refused. Without effect where
/// [`LEARN_REMOTE`] is set: there a source may move, unless it is given.
pub const STRICT_SOURCES: u32 = 2;
/// [`SwitchEntry::flags`]: control protocols of switches may leave a tunnel ([`crate::headers::is_control_protocol`]).
pub const CONTROL_PROTOCOLS: u32 = 4;

/// Value of map `switches`, keyed by VNI (`u32`): one logical switch.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SwitchEntry {
    /// Members in map `flood` have slot numbers below this one; some may be free.
    pub flood_slots: u32,
    /// Bits, see [`LEARN_REMOTE`].
    pub flags: u32,
    /// Index in map `leases` of the lease it forwards under.
    pub lease: u32,
    /// Zero.
    pub reserved: u32,
    /// The kernel learns while its count in map `learned` is below this. At each census the agent
    /// sets it to that count plus what the limit leaves.
    pub learn_ceiling: u64,
}

/// Key of map `flood`; its value is a [`crate::fdb::Target`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct FloodKey {
    /// The logical switch.
    pub vni: u32,
    /// Number of the member, from 0.
    pub slot: u32,
}

crate::map_types!(SwitchEntry, FloodKey);
