//! Access to a frame, the same for both hooks.

use gateway_common::{
    headers::{ETH_LEN, ETH_P_8021AD, ETH_P_8021Q, TAG_LEN},
    net::MacAddr,
    step::{self, Step},
    tunnel::NextHop,
};

use crate::stages::{
    header::Fill,
    observer::Observer,
    unaligned::Raw,
    verdict::{Flood, Verdict},
};

/// The kernel refused to add or remove headroom.
pub(crate) struct RewriteError;

/// Rewrite of a frame that leaves as plain Ethernet: remove `strip` bytes from the front (outer headers, or nothing),
/// then the tag of `ether`, if it has one, and add tag `vlan` unless it is 0.
#[derive(Clone, Copy)]
pub(crate) struct Reframe {
    pub(crate) strip: usize,
    pub(crate) ether: Ether,
    pub(crate) vlan: u16,
}

/// Number of buffers that a frame is known to occupy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffers {
    /// One.
    One,
    /// Not checked yet.
    Unknown,
}

/// Access to one packet, implemented for XDP and for TC.
pub(crate) trait Frame {
    /// Observer of the stages.
    type Observer: Observer;
    /// True for XDP, which leaves to TC what it can't do itself.
    const XDP: bool;

    /// Address of the first byte.
    fn data(&self) -> usize;
    /// Address after the last byte that can be read directly.
    fn data_end(&self) -> usize;
    /// Bytes of the whole frame as it lies in memory, fragments included.
    fn len(&self) -> u32;
    /// Index of the interface it came in through.
    fn ifindex(&self) -> u32;
    /// The 802.1Q tag that the kernel moved from the frame to its metadata, if any: VLAN and priority bits.
    fn offloaded_tag(&self) -> Option<u16>;
    /// True if the tag in the metadata is not 802.1Q. No binding is for such a tag. The kernel moves service tags
    /// (802.1ad) to the metadata as well.
    fn service_tagged(&self) -> bool;
    /// Trims the frame to `len` bytes.
    fn trim(&mut self, len: u32) -> Result<(), RewriteError>;
    /// Length on the wire of a frame of `len` bytes with the header `ether`; of a GSO frame, the length of each TCP or
    /// UDP segment.
    fn segment_len(&self, ether: &Ether, len: u32) -> u32;
    /// True if a frame of `len` bytes does not fit the MTU of `ifindex`.
    fn exceeds_mtu(&self, ifindex: u32, len: u32) -> bool;
    /// Selects the outgoing interface `ifindex`; false if this hook can't reach it. Called before the rewrite, so that
    /// a frame left to TC is unchanged.
    fn reserve(&self, ifindex: u32, buffers: Buffers) -> bool;
    /// True if the first `len` bytes are not all in the first buffer. TC can pull them into one buffer, so the frame is
    /// left to it.
    fn needs_pull(&self, len: usize) -> bool;
    /// Floods the frame in its logical switch; XDP leaves this to TC.
    fn replicate(&self, flood: &Flood) -> Verdict;
    /// Rewrites the frame for an access port.
    fn reframe(&mut self, how: Reframe) -> Result<(), RewriteError>;
    /// Removes the tag of the frame, whose header is `ether`, and adds outer headers in front.
    fn encapsulate(&mut self, ether: Ether, hop: &NextHop, fill: Fill) -> Result<(), RewriteError>;
}

/// Reads a `T` at `offset`, in wire order; `None` past the end of the frame.
#[inline(always)]
pub(crate) fn read<T: Raw>(frame: &impl Frame, offset: usize) -> Option<T> {
    let at = frame.data() + offset;
    if at + size_of::<T>() > frame.data_end() {
        return None;
    }
    // SAFETY: the verifier proves the bound just checked.
    Some(unsafe { T::load(at as *const u8) })
}

/// Reads a big-endian 16-bit number at `offset`.
#[inline(always)]
pub(crate) fn read_be16(frame: &impl Frame, offset: usize) -> Option<u16> {
    read::<u16>(frame, offset).map(u16::from_be)
}

/// Position and VLAN of a frame's tag, packed into one number. An enum whose variants carry different data has
/// undefined parts, and the verifier may refuse those, see [`crate::stages::verdict::Verdict`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    /// No tag.
    pub(crate) const NONE: Self = Self(0);
    /// In the frame, between the addresses and the EtherType.
    const INLINE: u32 = 1 << 16;
    /// In the metadata of the frame (hardware offload).
    const OFFLOADED: u32 = 2 << 16;

    /// A tag in the frame with this tag control information (VLAN and priority bits).
    #[inline(always)]
    pub(crate) const fn inline(tci: u16) -> Self {
        Self(Self::INLINE | tci as u32 & 0xfff)
    }

    /// A tag in the metadata of the frame.
    #[inline(always)]
    const fn offloaded(tci: u16) -> Self {
        Self(Self::OFFLOADED | tci as u32 & 0xfff)
    }

    /// True if the tag is in the frame.
    #[inline(always)]
    pub(crate) const fn is_inline(self) -> bool {
        self.0 & Self::INLINE != 0
    }
}

/// An Ethernet header with its first tag apart.
#[derive(Clone, Copy)]
pub(crate) struct Ether {
    pub(crate) dst: [u8; 6],
    pub(crate) src: [u8; 6],
    pub(crate) tag: Tag,
    pub(crate) ethertype: u16,
    /// Offset of the payload.
    pub(crate) payload: usize,
}

impl Ether {
    /// Parses the header at `offset`. `outermost`: the tag in the metadata, if any, belongs to this header.
    #[inline(always)]
    pub(crate) fn parse<F: Frame>(frame: &F, offset: usize, outermost: bool) -> Option<Self> {
        let dst = read(frame, offset)?;
        let src = read(frame, offset + 6)?;
        let ethertype = read_be16(frame, offset + 12)?;
        let plain = Self { dst, src, tag: Tag::NONE, ethertype, payload: offset + ETH_LEN };
        if outermost && let Some(tci) = frame.offloaded_tag() {
            return Some(Self { tag: Tag::offloaded(tci), ..plain });
        }
        if outermost && frame.service_tagged() {
            // Same result as for a tag that is still in the frame.
            return Some(Self { ethertype: ETH_P_8021AD, ..plain });
        }
        if ethertype != ETH_P_8021Q {
            return Some(plain);
        }
        let tci = read_be16(frame, offset + 14)?;
        let ethertype = read_be16(frame, offset + 16)?;
        let payload = offset + ETH_LEN + TAG_LEN;
        Some(Self { tag: Tag::inline(tci), ethertype, payload, ..plain })
    }

    /// Reports the header to the observer.
    #[inline(always)]
    pub(crate) fn report<O: Observer>(&self) {
        let (src, dst) = (step::mac(self.src), step::mac(self.dst));
        O::step(Step::Frame, [src, dst, self.vlan().into(), self.ethertype.into()]);
    }

    /// Reports to the observer that the frame is flooded.
    #[inline(always)]
    pub(crate) fn report_flood<O: Observer>(&self) {
        O::step(if MacAddr(self.dst).is_group() { Step::Group } else { Step::Unknown }, [0; 4]);
    }

    /// VLAN of the tag, 0 without one.
    #[inline(always)]
    pub(crate) const fn vlan(&self) -> u16 {
        self.tag.0 as u16
    }

    /// True if another tag follows.
    #[inline(always)]
    pub(crate) const fn tagged_again(&self) -> bool {
        matches!(self.ethertype, ETH_P_8021Q | ETH_P_8021AD)
    }

    /// Bytes of the tag in the frame.
    #[inline(always)]
    pub(crate) const fn tag_bytes(&self) -> usize {
        if self.tag.is_inline() { TAG_LEN } else { 0 }
    }
}
