//! [`Frame`] for the TC ingress hook. The kernel has already moved an outer VLAN tag from the frame to its metadata.

use core::mem::offset_of;

use aya_ebpf::{
    EbpfContext,
    bindings::{
        __sk_buff, BPF_F_ADJ_ROOM_ENCAP_L2_ETH, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6,
        BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO, TC_ACT_REDIRECT, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
    },
    bpf_f_adj_room_encap_l2,
    helpers::generated::{
        bpf_check_mtu, bpf_redirect, bpf_skb_adjust_room, bpf_skb_change_head, bpf_skb_change_tail,
        bpf_skb_store_bytes, bpf_skb_vlan_pop, bpf_skb_vlan_push,
    },
    programs::TcContext,
};
use gateway_common::{
    headers::{
        ETH_LEN, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPV6_LEN, TAG_LEN, UDP_LEN, V4_LEN,
        V6_LEN,
    },
    tunnel::NextHop,
};

use crate::stages::{
    flood_state,
    frame::{Buffers, Ether, Frame, Reframe, RewriteError, Tag, read, read_be16},
    header::{self, Fill, V4_TAGGED, V6_TAGGED},
    maps::HEADER,
    observer::NoopObserver,
    unaligned::{self, address},
    verdict::{Flood, Verdict},
};

/// Shortest payload of an Ethernet frame (IEEE 802.3-2022 section 4A.2.3.2.4).
const MIN_PAYLOAD: u32 = 46;
/// Assumed header length of a segment whose headers can't be read: Ethernet, the longest IPv4 and TCP headers.
const LONGEST_HEADERS: u32 = ETH_LEN as u32 + 60 + 60;
/// Keeps the payload length of GSO segments while headers are added or removed. Whether segments fit is checked before.
/// The kernel refuses UDP GSO frames without this flag, because datagrams can't be resized.
const SAME_SEGMENTS: u64 = BPF_F_ADJ_ROOM_FIXED_GSO as u64;
/// Maximum number of bytes that the stages read, without IPv4 options.
const PARSE_LEN: u32 = 160;

/// Pulls the headers into the linear part of the skb. In a frame assembled by the stack they may lie in pages of their
/// own.
#[inline(always)]
pub(crate) fn pull(ctx: &TcContext) {
    let wanted = PARSE_LEN.min(ctx.len());
    if (unaligned::distance(Frame::data(ctx), Frame::data_end(ctx)) as u32) < wanted {
        // If this fails the frame is read as too short.
        let _ = ctx.pull_data(wanted);
    }
}

impl Frame for TcContext {
    type Observer = NoopObserver;

    const XDP: bool = false;

    #[inline(always)]
    fn data(&self) -> usize {
        // SAFETY: the context is the one the kernel called with.
        unsafe { address::<{ offset_of!(__sk_buff, data) }>(self.skb.skb.cast()) }
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        // SAFETY: the context is the one the kernel called with.
        unsafe { address::<{ offset_of!(__sk_buff, data_end) }>(self.skb.skb.cast()) }
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        self.len()
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the context is the one the kernel called with.
        unsafe { (*self.skb.skb).ifindex }
    }

    #[inline(always)]
    fn offloaded_tag(&self) -> Option<u16> {
        // SAFETY: the context is the one the kernel called with.
        unsafe {
            let skb = self.skb.skb;
            let customer = (*skb).vlan_present != 0 && (*skb).vlan_proto as u16 == ETH_P_8021Q.to_be();
            if customer { Some((*skb).vlan_tci as u16) } else { None }
        }
    }

    #[inline(always)]
    fn service_tagged(&self) -> bool {
        // SAFETY: the context is the one the kernel called with.
        unsafe {
            let skb = self.skb.skb;
            (*skb).vlan_present != 0 && (*skb).vlan_proto as u16 != ETH_P_8021Q.to_be()
        }
    }

    #[inline(always)]
    fn trim(&mut self, len: u32) -> Result<(), RewriteError> {
        // SAFETY: the context is the one the kernel called with.
        check(unsafe { bpf_skb_change_tail(self.skb.skb, len, 0) })
    }

    #[inline(always)]
    fn segment_len(&self, ether: &Ether, len: u32) -> u32 {
        // SAFETY: the context is the one the kernel called with.
        let payload = unsafe { (*self.skb.skb).gso_size };
        if payload == 0 { len } else { payload + segment_headers(self.skb.skb, ether.payload, ether.ethertype) }
    }

    #[inline(always)]
    fn exceeds_mtu(&self, ifindex: u32, len: u32) -> bool {
        // For a GSO frame the helper would check the whole frame, or segments including headers that will be removed.
        // Only the MTU that it returns in any case is used.
        let mut mtu = 0;
        // SAFETY: the context is the one the kernel called with, and `mtu` is the helper's to write.
        let known = unsafe { bpf_check_mtu(self.as_ptr(), ifindex, &raw mut mtu, 0, 0) >= 0 };
        known && len > mtu + ETH_LEN as u32
    }

    #[inline(always)]
    fn reserve(&self, ifindex: u32, _buffers: Buffers) -> bool {
        // Takes effect when the program returns TC_ACT_REDIRECT.
        // SAFETY: the helper takes two numbers.
        unsafe { bpf_redirect(ifindex, 0) == i64::from(TC_ACT_REDIRECT) }
    }

    #[inline(always)]
    fn needs_pull(&self, _len: usize) -> bool {
        // The headers have been pulled, see `pull`.
        false
    }

    #[inline(always)]
    fn replicate(&self, flood: &Flood) -> Verdict {
        flood_state::store(self, flood);
        Verdict::Flood
    }

    #[inline(always)]
    fn reframe(&mut self, how: Reframe) -> Result<(), RewriteError> {
        if how.strip == 0 {
            untag(self, &how.ether)?;
        } else if !is_one_packet(self, &how.ether) {
            return Err(RewriteError);
        } else {
            decapsulate(self, how.strip, &how.ether)?;
        }
        if how.vlan == 0 { Ok(()) } else { tag(self, how.vlan) }
    }

    #[inline(always)]
    fn encapsulate(&mut self, ether: Ether, hop: &NextHop, fill: Fill) -> Result<(), RewriteError> {
        untag(self, &ether)?;
        let shape = Shape::of(hop)?;
        grow(self, &ether, shape)?;
        overwrite(self, hop, shape, fill)
    }
}

/// Header bytes in front of the payload of each GSO segment: Ethernet, untagged, IP, and TCP or UDP.
///
/// Not inlined, and with plain numbers as arguments, so that it takes little of the stack of the packet path.
#[inline(never)]
fn segment_headers(skb: *mut __sk_buff, payload: usize, ethertype: u16) -> u32 {
    transport(&TcContext::new(skb), payload, ethertype).unwrap_or(LONGEST_HEADERS)
}

#[inline(always)]
fn transport(ctx: &TcContext, at: usize, ethertype: u16) -> Option<u32> {
    let (ip, protocol) = match ethertype {
        ETH_P_IP => (usize::from(read::<u8>(ctx, at)? & 0xf) * 4, read::<u8>(ctx, at + 9)?),
        ETH_P_IPV6 => (IPV6_LEN, read::<u8>(ctx, at + 6)?),
        _ => return None,
    };
    let transport = match protocol {
        IPPROTO_UDP => UDP_LEN,
        IPPROTO_TCP => usize::from(read::<u8>(ctx, at + ip + 12)? >> 4) * 4,
        _ => return None,
    };
    Some((ETH_LEN + ip + transport) as u32)
}

/// True unless the frame is several whole tunnel packets merged by GRO, as happens to UDP where `rx-udp-gro-forwarding`
/// is on. Such a frame has more outer headers behind those of the first packet. In a GSO frame inside a tunnel the
/// inner IP header has the length of the whole frame.
#[inline(always)]
pub(crate) fn is_one_packet(ctx: &TcContext, ether: &Ether) -> bool {
    // SAFETY: the context is the one the kernel called with.
    let payload = unsafe { (*ctx.skb.skb).gso_size };
    payload == 0 || ends_with(ctx.skb.skb, ether.payload, ether.ethertype) != 0
}

/// Returns 1 if the IP packet at `payload` ends with the frame. Not inlined, as [`segment_headers`].
#[inline(never)]
fn ends_with(skb: *mut __sk_buff, payload: usize, ethertype: u16) -> u32 {
    let ctx = TcContext::new(skb);
    let claimed = match ethertype {
        ETH_P_IP => read_be16(&ctx, payload + 2).map(usize::from),
        ETH_P_IPV6 => read_be16(&ctx, payload + 4).map(|len| usize::from(len) + IPV6_LEN),
        _ => None,
    };
    claimed.is_some_and(|claimed| payload + claimed == ctx.len() as usize).into()
}

/// Removes the tag of `ether`, the outermost header, if it has one.
#[inline(always)]
pub(crate) fn untag(ctx: &TcContext, ether: &Ether) -> Result<(), RewriteError> {
    if ether.tag == Tag::NONE { Ok(()) } else { pop(ctx) }
}

/// Removes the outermost tag.
#[inline(always)]
pub(crate) fn pop(ctx: &TcContext) -> Result<(), RewriteError> {
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_vlan_pop(ctx.skb.skb) })
}

/// Adds tag `vlan`.
#[inline(always)]
pub(crate) fn tag(ctx: &TcContext, vlan: u16) -> Result<(), RewriteError> {
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_vlan_push(ctx.skb.skb, ETH_P_8021Q.to_be(), vlan) })
}

/// Decapsulates one packet ([`is_one_packet`]): removes `strip` bytes of outer headers and the tag of `ether`.
#[inline(always)]
pub(crate) fn decapsulate(ctx: &TcContext, strip: usize, ether: &Ether) -> Result<(), RewriteError> {
    let mut cut = strip + ether.tag_bytes();
    if ctx.offloaded_tag().is_some() {
        pop(ctx)?;
    } else if protocol(ctx) == ETH_P_8021Q {
        pop(ctx)?;
        cut -= TAG_LEN;
    }
    // The kernel requires the rest to be as long as the shortest outer IP header (bpf_skb_adjust_room), and a frame
    // must have the minimum length of Ethernet. The padding satisfies both.
    let shortest = (cut + ETH_LEN) as u32 + MIN_PAYLOAD;
    if ctx.len() < shortest {
        // SAFETY: the context is the one the kernel called with.
        check(unsafe { bpf_skb_change_tail(ctx.skb.skb, shortest, 0) })?;
    }
    // The bytes are removed after the first Ethernet header, which becomes the inner one.
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_adjust_room(ctx.skb.skb, -(cut as i32), BPF_ADJ_ROOM_MAC, SAME_SEGMENTS) })?;
    store::<ETH_LEN>(ctx, 0, &ethernet(ether))
}

/// Form of the outer headers, which determines the headroom.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    v6: bool,
    tagged: bool,
}

impl Shape {
    #[inline(always)]
    pub(crate) fn of(hop: &NextHop) -> Result<Self, RewriteError> {
        match hop.header_len as usize {
            V4_LEN => Ok(Self { v6: false, tagged: false }),
            V6_LEN => Ok(Self { v6: true, tagged: false }),
            V4_TAGGED => Ok(Self { v6: false, tagged: true }),
            V6_TAGGED => Ok(Self { v6: true, tagged: true }),
            _ => Err(RewriteError),
        }
    }

    /// True for IPv6.
    #[inline(always)]
    pub(crate) const fn v6(self) -> bool {
        self.v6
    }

    /// True if the underlay has a VLAN tag.
    #[inline(always)]
    pub(crate) const fn tagged(self) -> bool {
        self.tagged
    }
}

/// Adds headroom for untagged outer headers in front of the untagged frame `ether`.
#[inline(always)]
pub(crate) fn grow(ctx: &TcContext, ether: &Ether, shape: Shape) -> Result<(), RewriteError> {
    let len = if shape.v6 { V6_LEN } else { V4_LEN };
    let skb: *mut __sk_buff = ctx.skb.skb;
    if !matches!(protocol(ctx), ETH_P_IP | ETH_P_IPV6) {
        // SAFETY: the context is the one the kernel called with.
        return check(unsafe { bpf_skb_change_head(skb, len as u32, 0) });
    }
    // A GSO frame must be marked as tunnelled, otherwise the kernel would segment it wrongly on output.
    let family = if shape.v6 { BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 } else { BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 };
    let flags = u64::from(family | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)
        | bpf_f_adj_room_encap_l2(ETH_LEN as u64)
        | SAME_SEGMENTS;
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_adjust_room(skb, len as i32, BPF_ADJ_ROOM_MAC, flags) })?;
    store::<ETH_LEN>(ctx, len, &ethernet(ether))
}

/// Writes the outer headers into the headroom, over any that are there already.
#[inline(always)]
pub(crate) fn overwrite(ctx: &TcContext, hop: &NextHop, shape: Shape, fill: Fill) -> Result<(), RewriteError> {
    match (shape.v6, shape.tagged) {
        (false, false) => overwrite_as::<V4_LEN, V4_LEN>(ctx, hop, fill),
        (true, false) => overwrite_as::<V6_LEN, V6_LEN>(ctx, hop, fill),
        (false, true) => overwrite_as::<V4_TAGGED, V4_LEN>(ctx, hop, fill),
        (true, true) => overwrite_as::<V6_TAGGED, V6_LEN>(ctx, hop, fill),
    }
}

/// Writes `N` bytes of headers, of which `UNTAGGED` go into the frame; the tag goes into its metadata.
#[inline(always)]
fn overwrite_as<const N: usize, const UNTAGGED: usize>(
    ctx: &TcContext,
    hop: &NextHop,
    fill: Fill,
) -> Result<(), RewriteError> {
    let Some(bytes) = HEADER.get_ptr_mut(0) else { return Err(RewriteError) };
    // SAFETY: this CPU's own map value, used by one frame at a time; N <= HEADER_MAX.
    let bytes = unsafe {
        header::write::<N>(bytes.cast(), hop, fill);
        &mut *bytes
    };
    if N == UNTAGGED {
        return store::<N>(ctx, 0, bytes);
    }
    let (macs, tci) = (12, u16::from_be_bytes([bytes[14], bytes[15]]));
    store::<12>(ctx, 0, bytes)?;
    // SAFETY: the rest of HEADER_MAX bytes behind MACs and tag is longer than what is read.
    let rest = unsafe { bytes.as_ptr().add(macs + TAG_LEN) };
    // SAFETY: as above.
    check(unsafe { bpf_skb_store_bytes(ctx.skb.skb, macs as u32, rest.cast(), (UNTAGGED - macs) as u32, 0) })?;
    tag(ctx, tci)
}

/// EtherType of the frame as the kernel sees it.
#[inline(always)]
fn protocol(ctx: &TcContext) -> u16 {
    // SAFETY: the context is the one the kernel called with.
    unsafe { u16::from_be((*ctx.skb.skb).protocol as u16) }
}

#[inline(always)]
fn ethernet(ether: &Ether) -> [u8; ETH_LEN] {
    let [a, b, c, d, e, f] = ether.dst;
    let [g, h, i, j, k, l] = ether.src;
    let [m, n] = ether.ethertype.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

/// Stores the first `N` bytes of `bytes`.
#[inline(always)]
fn store<const N: usize>(ctx: &TcContext, offset: usize, bytes: &[u8]) -> Result<(), RewriteError> {
    if N > bytes.len() {
        return Err(RewriteError);
    }
    // SAFETY: there are N bytes.
    check(unsafe { bpf_skb_store_bytes(ctx.skb.skb, offset as u32, bytes.as_ptr().cast(), N as u32, 0) })
}

#[inline(always)]
const fn check(result: i64) -> Result<(), RewriteError> {
    if result == 0 { Ok(()) } else { Err(RewriteError) }
}
