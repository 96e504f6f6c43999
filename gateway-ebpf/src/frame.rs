//! A frame as the stages see it, whichever hook it came through.

use gateway_common::{
    headers::{ETH_LEN, ETH_P_8021AD, ETH_P_8021Q, TAG_LEN},
    net::MacAddr,
    step::{self, Step},
    tunnel::NextHop,
};

use crate::{
    header::Fill,
    observer::Observer,
    unaligned::Raw,
    verdict::{Flood, Verdict},
};

/// The kernel refused to make or take away room.
pub(crate) struct RewriteError;

/// What to make of a frame that stays Ethernet: cut `strip` bytes off the front (outer headers, or nothing), take away
/// the tag that is then in front, if `ether` has one, and put on tag `vlan` unless that is 0.
#[derive(Clone, Copy)]
pub(crate) struct Reframe {
    pub(crate) strip: usize,
    pub(crate) ether: Ether,
    pub(crate) vlan: u16,
}

/// How many buffers a frame is known to lie in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffers {
    /// One.
    One,
    /// Nobody has looked.
    Unknown,
}

/// Access to one packet, implemented for XDP and for TC.
pub(crate) trait Frame {
    /// Who looks on.
    type Observer: Observer;
    /// True for XDP: what it can't do itself it leaves to TC.
    const XDP: bool;

    /// Address of the first byte.
    fn data(&self) -> usize;
    /// Address after the last byte that can be read directly.
    fn data_end(&self) -> usize;
    /// Bytes of the whole frame as it lies in memory, fragments included.
    fn len(&self) -> u32;
    /// Index of the interface it came in through.
    fn ifindex(&self) -> u32;
    /// The 802.1Q tag the kernel took off the frame and keeps beside it, if any: VLAN and priority bits.
    fn offloaded_tag(&self) -> Option<u16>;
    /// True if what is beside the frame is a tag of another kind, which no binding is for: the kernel takes service tags
    /// (802.1ad) off as it does those of 802.1Q.
    fn service_tagged(&self) -> bool;
    /// Cuts the frame's end off, `len` bytes stay.
    fn trim(&mut self, len: u32) -> Result<(), RewriteError>;
    /// Length of the frame with the header `ether`, of `len` bytes in all, as it will be on a wire: of each segment of it,
    /// where it is a train of TCP or UDP segments.
    fn segment_len(&self, ether: &Ether, len: u32) -> u32;
    /// True if a frame of `len` bytes does not fit the MTU of `ifindex`.
    fn exceeds_mtu(&self, ifindex: u32, len: u32) -> bool;
    /// Asks that the frame leave through `ifindex`; false if this hook can't reach it. Comes before the rewrite, so that
    /// a packet handed on to TC is whole.
    fn reserve(&self, ifindex: u32, buffers: Buffers) -> bool;
    /// True if there is more of the frame than can be read, and the first `len` bytes are not all among what can: TC, which
    /// can have them put together, sees more.
    fn needs_pull(&self, len: usize) -> bool;
    /// Has the frame sent to everyone in its logical switch; at XDP, by TC.
    fn replicate(&self, flood: &Flood) -> Verdict;
    /// Makes it a frame for an access port.
    fn reframe(&mut self, how: Reframe) -> Result<(), RewriteError>;
    /// Puts outer headers in front of the frame, whose header is `ether`, without its tag.
    fn encapsulate(&mut self, ether: Ether, hop: &NextHop, fill: Fill) -> Result<(), RewriteError>;
}

/// Reads a `T` at `offset`, as it lies there, if the frame is that long.
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

/// Where a frame's tag is, and its VLAN, in one number: of an enum whose variants carry different things a part is undefined,
/// and what is undefined the verifier may refuse, see [`crate::verdict::Verdict`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    /// It has none.
    pub(crate) const NONE: Self = Self(0);
    /// Between the addresses and the EtherType.
    const INLINE: u32 = 1 << 16;
    /// Beside the frame.
    const OFFLOADED: u32 = 2 << 16;

    /// One between the addresses and the EtherType, of which these are VLAN and priority bits.
    #[inline(always)]
    pub(crate) const fn inline(tci: u16) -> Self {
        Self(Self::INLINE | tci as u32 & 0xfff)
    }

    /// One beside the frame.
    #[inline(always)]
    const fn offloaded(tci: u16) -> Self {
        Self(Self::OFFLOADED | tci as u32 & 0xfff)
    }

    /// True if it is in the frame.
    #[inline(always)]
    pub(crate) const fn is_inline(self) -> bool {
        self.0 & Self::INLINE != 0
    }
}

/// An Ethernet header, its first tag set apart.
#[derive(Clone, Copy)]
pub(crate) struct Ether {
    pub(crate) dst: [u8; 6],
    pub(crate) src: [u8; 6],
    pub(crate) tag: Tag,
    pub(crate) ethertype: u16,
    /// Offset of what follows the header.
    pub(crate) payload: usize,
}

impl Ether {
    /// Parses the header at `offset`. `outermost`: the tag beside the frame, if any, belongs to this header.
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
            // As it is where the tag is still in the frame.
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

    /// Tells who looks on what it says.
    #[inline(always)]
    pub(crate) fn report<O: Observer>(&self) {
        let (src, dst) = (step::mac(self.src), step::mac(self.dst));
        O::step(Step::Frame, [src, dst, self.vlan().into(), self.ethertype.into()]);
    }

    /// Tells who looks on that nobody in particular is to have it.
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

    /// Bytes that the tag takes up in the frame.
    #[inline(always)]
    pub(crate) const fn tag_bytes(&self) -> usize {
        if self.tag.is_inline() { TAG_LEN } else { 0 }
    }
}
