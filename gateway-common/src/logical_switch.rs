//! Logical switches and their flood members, the receivers of broadcast, unknown unicast and multicast (BUM) frames.

use bytemuck::{Pod, Zeroable};

/// [`SwitchEntry::flags`]: learn MACs of remote stations from tunnels.
pub const LEARN_REMOTE: u32 = 1;
/// [`SwitchEntry::flags`]: frames from a tunnel whose source is known elsewhere are dropped. No effect with
/// [`LEARN_REMOTE`], where a source may move unless it is static.
pub const STRICT_SOURCES: u32 = 2;
/// [`SwitchEntry::flags`]: control protocols of switches ([`crate::headers::is_control_protocol`]) are forwarded from
/// tunnels.
pub const CONTROL_PROTOCOLS: u32 = 4;

/// Value of map `switches`, keyed by VNI (`u32`): one logical switch.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SwitchEntry {
    /// Members in map `flood` have slots below this number; some slots may be free.
    pub flood_slots: u32,
    /// Bits [`LEARN_REMOTE`], [`STRICT_SOURCES`], [`CONTROL_PROTOCOLS`].
    pub flags: u32,
    /// Index in map `leases` of the lease that the switch is forwarded under.
    pub lease: u32,
    /// Zero.
    pub reserved: u32,
    /// The kernel learns while its counter in map `learned` is below this ceiling. At each FDB scan the agent sets the
    /// ceiling to that counter plus the rest of the limit.
    pub learn_ceiling: u64,
}

/// Key of map `flood`; its value is a [`crate::fdb::Target`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct FloodKey {
    /// The logical switch.
    pub vni: u32,
    /// Slot of the member, from 0.
    pub slot: u32,
}

crate::map_types!(SwitchEntry, FloodKey);
