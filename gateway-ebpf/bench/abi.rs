//! What the benchmark and its programs share. `tests/src/bin/bench` includes this file too, so it uses nothing but `core`.

/// Bytes that `source_short` writes: Ethernet with a tag, IPv4, UDP, and two more.
pub(crate) const SHORT: usize = 48;
/// Bytes that `source_long` writes: outer headers over IPv4, then as above without a tag.
pub(crate) const LONG: usize = 96;
/// Slot of map `out`: where the source sends.
pub(crate) const FIRST: u32 = 0;
/// Slot of map `out`: where the limit sends on.
pub(crate) const BEYOND: u32 = 1;
/// Sizes of frames that the source can take turns with, each an element of map `headers`.
pub(crate) const SIZES: usize = 12;
/// The element of map `headers` after those: the outer headers that `least_encap` puts on.
pub(crate) const LEAST: u32 = SIZES as u32;
/// Lines of map `cold`, a power of two: one for each of a million stations.
pub(crate) const LINES: u32 = 1 << 20;
/// Buckets of the latency histogram, [`BUCKET_NS`] wide.
pub(crate) const BUCKETS: usize = 4096;
/// Width of a bucket of the latency histogram, nanoseconds.
pub(crate) const BUCKET_NS: u64 = 8;

/// A number that the flow decides: the low bits of the flow's number, added to what is there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field {
    /// Offset in the frame.
    pub(crate) at: u32,
    /// Which bits of the flow's number.
    pub(crate) mask: u32,
}

/// The one value of map `settings`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Flows, taken in turn.
    pub(crate) flows: u32,
    /// Index of the interface that `limit_tc` sends to.
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
    /// Bits that the net's number is shifted by in the four bytes at its offset.
    pub(crate) net_shift: u32,
    /// Elements of map `headers` in use, taken in turn.
    pub(crate) sizes: u32,
    /// Offset to put the time at, 0 for none.
    pub(crate) stamp_at: u32,
    /// What the sink expects.
    pub(crate) expect: Expect,
}

/// A frame's form.
pub(crate) const PLAIN: u32 = 0;
/// A frame's form: with a VLAN tag.
pub(crate) const TAGGED: u32 = 1;
/// A frame's form: in VXLAN over IPv4.
pub(crate) const VXLAN: u32 = 2;
/// No form: whatever arrives counts, which tells what the sink's checks cost.
pub(crate) const NOTHING: u32 = 3;

/// What the sink expects.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expect {
    /// [`PLAIN`], [`TAGGED`], [`VXLAN`] or [`NOTHING`].
    pub(crate) form: u32,
    /// The VLAN or VNI of flow 0.
    pub(crate) net: u32,
    /// Which bits of the flow's number are added.
    pub(crate) net_mask: u32,
    /// The first three bytes of the destination, as a number.
    pub(crate) prefix: u32,
    /// Offset of the time, 0 for none.
    pub(crate) stamp_at: u32,
}

/// A frame of one size, as the source writes it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers {
    /// In words, as they lie in memory.
    pub(crate) words: [u64; LONG / 8],
    /// Bytes of the whole frame, at most those of the one the benchmark gives.
    pub(crate) len: u32,
    /// Zero.
    pub(crate) reserved: u32,
}

/// What a CPU's sink has seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Frames as they should be.
    pub(crate) good: u64,
    /// Others.
    pub(crate) bad: u64,
    /// Bytes of both.
    pub(crate) bytes: u64,
}
