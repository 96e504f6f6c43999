//! Events from the kernel to the agent, in the ring buffer `events`.

use bytemuck::{Pod, Zeroable};

use crate::{
    fdb::{FdbKey, Target},
    tunnel::Addr,
};

/// [`LearnEvent::kind`]: a new MAC was learned.
pub const LEARNED: u32 = 1;
/// [`LearnEvent::kind`]: a learned MAC has moved to another place.
pub const MOVED: u32 = 2;

/// [`LearnEvent::kind`]: a station behind an access port has announced its IP address in ARP (RFC 826) or neighbour
/// discovery (RFC 4861).
pub const SNOOPED: u32 = 3;

/// A MAC that was learned, moved, or announced its IP address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct LearnEvent {
    /// [`LEARNED`], [`MOVED`] or [`SNOOPED`].
    pub kind: u32,
    /// The logical switch.
    pub vni: u32,
    /// The station.
    pub mac: [u8; 6],
    /// Zero.
    pub reserved: u16,
    /// Current place of the station.
    pub to: Target,
    /// Snooped: the IP address. Otherwise zero.
    pub ip: Addr,
}

/// Key of map `snooped`, which suppresses repeated reports of the same address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SnoopKey {
    /// The station.
    pub station: FdbKey,
    /// Its address.
    pub ip: Addr,
}

crate::map_types!(LearnEvent, SnoopKey);
