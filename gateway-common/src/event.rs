//! What the kernel tells the agent through the ring buffer `events`.

use bytemuck::{Pod, Zeroable};

use crate::fdb::Target;

/// [`LearnEvent::kind`]: a MAC not known before.
pub const LEARNED: u32 = 1;
/// [`LearnEvent::kind`]: a learned MAC now sends from another place.
pub const MOVED: u32 = 2;

/// A MAC was learned or moved.
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
}

crate::map_types!(LearnEvent);
