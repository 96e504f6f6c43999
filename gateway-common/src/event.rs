//! What the kernel tells the agent through the ring buffer `events`.

use bytemuck::{Pod, Zeroable};

use crate::{
    fdb::{FdbKey, Target},
    tunnel::Addr,
};

/// [`LearnEvent::kind`]: a MAC not known before.
pub const LEARNED: u32 = 1;
/// [`LearnEvent::kind`]: a learned MAC now sends from another place.
pub const MOVED: u32 = 2;

/// [`LearnEvent::kind`]: a station behind an access port has said what its IP address is, in ARP (RFC 826) or neighbour
/// discovery (RFC 4861).
pub const SNOOPED: u32 = 3;

/// A MAC was learned or moved, or its IP address seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct LearnEvent {
    /// [`LEARNED`] or [`MOVED`].
    pub kind: u32,
    /// The logical switch.
    pub vni: u32,
    /// The station.
    pub mac: [u8; 6],
    /// Zero.
    pub reserved: u16,
    /// Where it is now.
    pub to: Target,
    /// Snooped: its address. Else zero.
    pub ip: Addr,
}

/// Key of map `snooped`, which keeps the kernel from telling the same thing again and again.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SnoopKey {
    /// The station.
    pub station: FdbKey,
    /// Its address.
    pub ip: Addr,
}

crate::map_types!(LearnEvent, SnoopKey);
