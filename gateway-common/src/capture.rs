//! Types of `vtep-gateway capture`: the filter, the counters, and the header of a copied packet.

use bytemuck::{Pod, Zeroable};

/// The one value of map `capture`: the filter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Filter {
    /// Expiry of the filter, CLOCK_MONOTONIC_COARSE nanoseconds: the client that captures may have died.
    pub until: u64,
    /// Only packets with this Ethernet address as source or destination, as [`crate::step::mac`] has it; 0: any.
    pub mac: u64,
    /// Bit n: copy packets dropped for the [`crate::counters::DropReason`] n.
    pub reasons: u32,
    /// Not 0: copy packets that are forwarded.
    pub forwarded: u32,
    /// Only packets that come in or leave by the interface with this index; 0: any.
    pub ifindex: u32,
    /// Only packets of the logical switch with this VNI; 0: any.
    pub vni: u32,
    /// Copy one in `sample` of the matching packets.
    pub sample: u32,
    /// Limit of copies a second on each CPU.
    pub rate: u32,
    /// Limit of bytes of each copy.
    pub snaplen: u32,
    /// Zero.
    pub reserved: u32,
}

/// The one value of per-CPU map `captures`: counters of packets that matched the filter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Tally {
    /// Matching packets.
    pub wanted: u64,
    /// Left out by sampling.
    pub sampled_out: u64,
    /// Left out by the rate limit.
    pub over_rate: u64,
    /// Lost because the client reads too slowly.
    pub lost: u64,
    /// Start of the current second, nanoseconds.
    pub since: u64,
    /// Packets copied in the current second.
    pub taken: u64,
}

impl Tally {
    /// Adds the counters of another CPU.
    pub const fn add(&mut self, other: &Self) {
        self.wanted += other.wanted;
        self.sampled_out += other.sampled_out;
        self.over_rate += other.over_rate;
        self.lost += other.lost;
    }
}

/// [`Head::reason`] of a forwarded packet.
pub const FORWARDED: u32 = u32::MAX;

/// Header of a copied packet.
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
    /// Length of the packet, without a tag in the metadata.
    pub len: u32,
    /// Bytes that follow.
    pub captured: u32,
    /// VLAN tag in the metadata, tag control information; [`crate::step::NO_TAG`]: none.
    pub tag: u32,
    /// Zero.
    pub reserved: u32,
}

/// Maximum number of bytes copied of a packet.
pub const CAPTURE_BYTES: usize = 9728;
/// Size of the ring buffer of copies, bytes.
pub const RING_BYTES: u32 = 4 << 20;
/// Time after which a capture that is not renewed ends, in nanoseconds.
pub const RENEW_NS: u64 = 3_000_000_000;

crate::map_types!(Filter, Tally, Head);
