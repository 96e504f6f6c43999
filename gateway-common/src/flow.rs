//! What outdates the decisions that the programs remember by flow.

use bytemuck::{Pod, Zeroable};

use crate::limits::FLOWS;

/// The one value of map `generation`. Both sides only count up, each its own, and neither with an update of the map, which
/// would write over what the other counts meanwhile.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Generation {
    /// Counted by the agent, after it has changed other maps.
    pub agent: u32,
    /// Counted by the kernel, after a MAC has moved.
    pub kernel: u32,
}

/// What tells flows apart, as it lies in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// From a tunnel: outer source and destination. From a VLAN: interface and VLAN.
    pub ends: u64,
    /// Destination, and the beginning of the source.
    pub macs: u64,
    /// The rest of the source.
    pub rest: u32,
    /// From a tunnel: the VNI. From a VLAN: [`FROM_VLAN`].
    pub net: u32,
    /// From a tunnel: a [`crate::tunnel::Arrival`]. From a VLAN: zero.
    pub outermost: u64,
}

/// [`FlowKey::net`] of frames from a VLAN: no VNI, which has three bytes and then a zero.
pub const FROM_VLAN: u32 = u32::from_le_bytes([0, 0, 0, 1]);

impl FlowKey {
    /// The line of a CPU's memory that the flow is kept in.
    #[inline(always)]
    pub const fn slot(&self) -> u32 {
        // A multiplication takes differences up the word, a shift takes them down again. Any odd numbers with bits all over
        // will do; these are the golden ratio's and the third root of two's.
        let mixed = (self.macs ^ self.macs >> 32 ^ self.ends).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let rest = self.rest as u64 ^ (self.net as u64) << 32;
        let mixed = (mixed ^ mixed >> 32 ^ rest).wrapping_mul(0x428a_2f98_d728_ae23);
        (mixed >> (u64::BITS - FLOWS.ilog2())) as u32
    }
}

crate::map_types!(Generation);
