//! Keys and generation of cached decisions (`stages::flow_cache` in gateway-ebpf).

use bytemuck::{Pod, Zeroable};

use crate::limits::FLOWS;

/// The one value of map `generation`, which invalidates the flow cache. Agent and kernel increment a counter each.
/// Neither does so by a map update, which would overwrite the counter of the other.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Generation {
    /// Incremented by the agent after it has changed other maps.
    pub agent: u32,
    /// Incremented by the kernel after a MAC has moved.
    pub kernel: u32,
}

/// Key of a flow, in the memory layout of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// From a tunnel: outer source and destination address. From a VLAN: interface and VLAN.
    pub ends: u64,
    /// Destination MAC and the first bytes of the source MAC.
    pub macs: u64,
    /// Last bytes of the source MAC.
    pub rest: u32,
    /// From a tunnel: the VNI. From a VLAN: [`FROM_VLAN`].
    pub net: u32,
    /// From a tunnel: a [`crate::tunnel::Arrival`]. From a VLAN: zero.
    pub outermost: u64,
}

/// [`FlowKey::net`] of frames from a VLAN. Not a VNI: those have three bytes followed by a zero.
pub const FROM_VLAN: u32 = u32::from_le_bytes([0, 0, 0, 1]);

impl FlowKey {
    /// Index of the flow among the flow cache entries of a CPU.
    #[inline(always)]
    pub const fn slot(&self) -> u32 {
        // Multiplicative hashing: differences spread upwards by the multiplication, the shift takes the upper bits. Any
        // odd factors with well spread bits will do; these are the golden ratio's and those of the third root of two.
        let mixed = (self.macs ^ self.macs >> 32 ^ self.ends).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let rest = self.rest as u64 ^ (self.net as u64) << 32;
        let mixed = (mixed ^ mixed >> 32 ^ rest).wrapping_mul(0x428a_2f98_d728_ae23);
        (mixed >> (u64::BITS - FLOWS.ilog2())) as u32
    }
}

crate::map_types!(Generation);
