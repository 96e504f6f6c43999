//! Types shared by the benchmark and its programs. `tests/src/bin/bench` includes this file too, so it uses nothing but
//! `core`.

/// Bytes that `source_short` writes: Ethernet with a tag, IPv4, UDP, and two more.
pub(crate) const SHORT: usize = 48;
/// Bytes that `source_long` writes: outer headers over IPv4, then as above without a tag.
pub(crate) const LONG: usize = 96;
/// Slot of map `out`: interface that the source sends to.
pub(crate) const FIRST: u32 = 0;
/// Slot of map `out`: interface that the yardstick programs forward to.
pub(crate) const BEYOND: u32 = 1;
/// Maximum number of frame sizes that the source cycles through, each an element of map `headers`.
pub(crate) const SIZES: usize = 12;
/// Element of map `headers` after the sizes: the outer headers that `least_encap` adds.
pub(crate) const LEAST: u32 = SIZES as u32;
/// Elements of map `cold`, a power of two: one for each of a million stations.
pub(crate) const LINES: u32 = 1 << 20;
/// Buckets of the latency histogram, [`BUCKET_NS`] wide.
pub(crate) const BUCKETS: usize = 4096;
/// Width of a bucket of the latency histogram, nanoseconds.
pub(crate) const BUCKET_NS: u64 = 8;

/// A field that differs from flow to flow: the low bits of the flow number are added to it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field {
    /// Offset in the frame.
    pub(crate) at: u32,
    /// Bits of the flow number that are used.
    pub(crate) mask: u32,
}

/// The one value of map `settings`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Number of flows, sent in turn.
    pub(crate) flows: u32,
    /// Index of the interface that `limit_tc` forwards to.
    pub(crate) beyond: u32,
    /// The destination's last three bytes.
    pub(crate) station: Field,
    /// The source's last three bytes.
    pub(crate) sender: Field,
    /// The innermost UDP source port.
    pub(crate) port: Field,
    /// The last two bytes of the outer source address.
    pub(crate) vtep: Field,
    /// Three bytes of VNI, or the two of a tag (with [`Settings::net_shift`]).
    pub(crate) net: Field,
    /// Shift of the VNI or VLAN within the four bytes at its offset.
    pub(crate) net_shift: u32,
    /// Number of elements of map `headers` in use, sent in turn.
    pub(crate) sizes: u32,
    /// Offset of the timestamp, 0 for none.
    pub(crate) stamp_at: u32,
    /// Expected form of the frames at the sink.
    pub(crate) expect: Expect,
}

/// Form: untagged Ethernet.
pub(crate) const PLAIN: u32 = 0;
/// Form: with a VLAN tag.
pub(crate) const TAGGED: u32 = 1;
/// Form: VXLAN over IPv4.
pub(crate) const VXLAN: u32 = 2;
/// Form: anything. Measures the cost of the checks of the sink.
pub(crate) const NOTHING: u32 = 3;

/// Expected form of the frames at the sink.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expect {
    /// [`PLAIN`], [`TAGGED`], [`VXLAN`] or [`NOTHING`].
    pub(crate) form: u32,
    /// The VLAN or VNI of flow 0.
    pub(crate) net: u32,
    /// Bits of the flow number that are added.
    pub(crate) net_mask: u32,
    /// First three bytes of the destination MAC, as a number.
    pub(crate) prefix: u32,
    /// Offset of the timestamp, 0 for none.
    pub(crate) stamp_at: u32,
}

/// Headers of a frame of one size.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers {
    /// The headers as words in memory order.
    pub(crate) words: [u64; LONG / 8],
    /// Length of the frame, at most the length of the frame that the benchmark passes in.
    pub(crate) len: u32,
    /// Zero.
    pub(crate) reserved: u32,
}

/// Counters of the sink, per CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Frames in the expected form.
    pub(crate) good: u64,
    /// Other frames.
    pub(crate) bad: u64,
    /// Bytes of both.
    pub(crate) bytes: u64,
}
