//! What `vtep-gateway capture` asks of the programs that look on, and what they hand it.

use bytemuck::{Pod, Zeroable};

/// The one value of map `capture`: which packets are wanted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Filter {
    /// Nothing is taken from this time on, CLOCK_MONOTONIC_COARSE nanoseconds: whoever captures may have died.
    pub until: u64,
    /// Only packets with this Ethernet address as source or destination, as [`crate::step::mac`] has it; 0: any.
    pub mac: u64,
    /// Bit number n: packets dropped for the [`crate::counters::DropReason`] number n.
    pub reasons: u32,
    /// Not 0: packets that leave.
    pub forwarded: u32,
    /// Only packets that come in or leave by the interface with this index; 0: any.
    pub ifindex: u32,
    /// Only packets of the logical switch with this VNI; 0: any.
    pub vni: u32,
    /// Of those, one in so many.
    pub sample: u32,
    /// Of those, so many in a second on each CPU.
    pub rate: u32,
    /// Of each, so many bytes at most.
    pub snaplen: u32,
    /// Zero.
    pub reserved: u32,
}

/// The value of per-CPU map `captures`: what became of packets that were wanted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Tally {
    /// They passed the filter.
    pub wanted: u64,
    /// Left out by sampling.
    pub sampled_out: u64,
    /// Left out because there were too many in this second.
    pub over_rate: u64,
    /// Left out because whoever captures is too slow.
    pub lost: u64,
    /// When the second began that is being counted, nanoseconds.
    pub since: u64,
    /// Packets taken in it.
    pub taken: u64,
}

impl Tally {
    /// Adds another CPU's counts.
    pub const fn add(&mut self, other: &Self) {
        self.wanted += other.wanted;
        self.sampled_out += other.sampled_out;
        self.over_rate += other.over_rate;
        self.lost += other.lost;
    }
}

/// [`Head::reason`] of a packet that leaves.
pub const FORWARDED: u32 = u32::MAX;

/// What comes before the bytes of a packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Head {
    /// CLOCK_MONOTONIC nanoseconds.
    pub at: u64,
    /// Number of the [`crate::counters::DropReason`], or [`FORWARDED`].
    pub reason: u32,
    /// Index of the interface it came in by.
    pub came_in: u32,
    /// Index of the interface it leaves by, 0 if it does not.
    pub leaves: u32,
    /// VNI of its logical switch, 0 if that was not known yet.
    pub vni: u32,
    /// Its length, without a tag beside it.
    pub len: u32,
    /// Bytes that follow.
    pub captured: u32,
    /// VLAN tag beside it, control information as in the packet; [`crate::step::NO_TAG`]: none.
    pub tag: u32,
    /// Zero.
    pub reserved: u32,
}

/// Bytes of a packet at most.
pub const CAPTURE_BYTES: usize = 9728;
/// Bytes of the ring buffer that carries packets.
pub const RING_BYTES: u32 = 4 << 20;
/// A capture that is not renewed for so long ends, in nanoseconds.
pub const RENEW_NS: u64 = 3_000_000_000;

crate::map_types!(Filter, Tally, Head);
