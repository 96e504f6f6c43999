//! Frames at the TC ingress hook. The kernel has already moved an outer VLAN tag from the bytes to beside the frame.

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

use crate::{
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
/// Headers of a segment that can't be read: Ethernet, the longest of IPv4 and of TCP.
const LONGEST_HEADERS: u32 = ETH_LEN as u32 + 60 + 60;
/// Segments of a train stay as the sender made them, with the headers that go or come: whether they fit is judged before, and
/// datagrams can't be cut otherwise (the kernel refuses a train of UDP without this).
const SAME_SEGMENTS: u64 = BPF_F_ADJ_ROOM_FIXED_GSO as u64;
/// Bytes that the stages read at most, options of IPv4 aside.
const PARSE_LEN: u32 = 160;

/// Makes the headers readable: in a frame that the stack has put together they may lie in pages of their own.
#[inline(always)]
pub(crate) fn pull(ctx: &TcContext) {
    let wanted = PARSE_LEN.min(ctx.len());
    if (unaligned::distance(Frame::data(ctx), Frame::data_end(ctx)) as u32) < wanted {
        // Where it fails the frame is read as too short, which is what it is to us.
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
        // Of a train the helper would judge the whole, or the segments with all headers that are to go. What it tells in any
        // case is the MTU.
        let mut mtu = 0;
        // SAFETY: the context is the one the kernel called with, and `mtu` is the helper's to write.
        let known = unsafe { bpf_check_mtu(self.as_ptr(), ifindex, &raw mut mtu, 0, 0) >= 0 };
        known && len > mtu + ETH_LEN as u32
    }

    #[inline(always)]
    fn reserve(&self, ifindex: u32, _buffers: Buffers) -> bool {
        // Only noted here, and done when the program says so.
        // SAFETY: the helper takes two numbers.
        unsafe { bpf_redirect(ifindex, 0) == i64::from(TC_ACT_REDIRECT) }
    }

    #[inline(always)]
    fn needs_pull(&self, _len: usize) -> bool {
        // What matters was pulled, see `pull`.
        false
    }

    #[inline(always)]
    fn replicate(&self, flood: &Flood) -> Verdict {
        flood_state::note(self, flood);
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

/// Bytes in front of the payload of each segment of a train: those of Ethernet, untagged, IP, and TCP or UDP.
///
/// A call of its own, and told numbers, so that little of it is on the stack of the path that packets take.
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

/// True unless the frame is a train of whole tunnel packets, one after the other, as UDP is merged where
/// `rx-udp-gro-forwarding` is on. Behind the first one's headers are then others' headers. In a train of segments inside a
/// tunnel the inner IP header tells the length of all of it.
#[inline(always)]
pub(crate) fn is_one_packet(ctx: &TcContext, ether: &Ether) -> bool {
    // SAFETY: the context is the one the kernel called with.
    let payload = unsafe { (*ctx.skb.skb).gso_size };
    payload == 0 || ends_with(ctx.skb.skb, ether.payload, ether.ethertype) != 0
}

/// 1 if the IP packet at `payload` is as long as the rest of the frame; a call of its own as [`segment_headers`] is.
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

/// Takes the tag off, if `ether`, the outermost header, has one.
#[inline(always)]
pub(crate) fn untag(ctx: &TcContext, ether: &Ether) -> Result<(), RewriteError> {
    if ether.tag == Tag::NONE { Ok(()) } else { pop(ctx) }
}

/// Takes the outermost tag off.
#[inline(always)]
pub(crate) fn pop(ctx: &TcContext) -> Result<(), RewriteError> {
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_vlan_pop(ctx.skb.skb) })
}

/// Puts tag `vlan` on.
#[inline(always)]
pub(crate) fn tag(ctx: &TcContext, vlan: u16) -> Result<(), RewriteError> {
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_vlan_push(ctx.skb.skb, ETH_P_8021Q.to_be(), vlan) })
}

/// Leaves the inner frame of one packet ([`is_one_packet`]), untagged: `strip` bytes of outer headers go, and the tag of `ether`.
#[inline(always)]
pub(crate) fn decapsulate(ctx: &TcContext, strip: usize, ether: &Ether) -> Result<(), RewriteError> {
    let mut cut = strip + ether.tag_bytes();
    if ctx.offloaded_tag().is_some() {
        pop(ctx)?;
    } else if protocol(ctx) == ETH_P_8021Q {
        pop(ctx)?;
        cut -= TAG_LEN;
    }
    // What stays must be as long as the shortest outer IP header, says the kernel (bpf_skb_adjust_room); a frame must
    // be as long as Ethernet's shortest, so padding does for both.
    let shortest = (cut + ETH_LEN) as u32 + MIN_PAYLOAD;
    if ctx.len() < shortest {
        // SAFETY: the context is the one the kernel called with.
        check(unsafe { bpf_skb_change_tail(ctx.skb.skb, shortest, 0) })?;
    }
    // The room is taken from behind the first Ethernet header: that one stays and becomes the inner one.
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_adjust_room(ctx.skb.skb, -(cut as i32), BPF_ADJ_ROOM_MAC, SAME_SEGMENTS) })?;
    store::<ETH_LEN>(ctx, 0, &ethernet(ether))
}

/// Form of the outer headers, as far as making room goes.
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

    /// True with a VLAN tag on the underlay.
    #[inline(always)]
    pub(crate) const fn tagged(self) -> bool {
        self.tagged
    }
}

/// Makes room for untagged outer headers in front of the untagged frame `ether`.
#[inline(always)]
pub(crate) fn grow(ctx: &TcContext, ether: &Ether, shape: Shape) -> Result<(), RewriteError> {
    let len = if shape.v6 { V6_LEN } else { V4_LEN };
    let skb: *mut __sk_buff = ctx.skb.skb;
    if !matches!(protocol(ctx), ETH_P_IP | ETH_P_IPV6) {
        // SAFETY: the context is the one the kernel called with.
        return check(unsafe { bpf_skb_change_head(skb, len as u32, 0) });
    }
    // A train of segments has to know that it is in a tunnel, or it would be cut up wrongly on the way out.
    let family = if shape.v6 { BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 } else { BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 };
    let flags = u64::from(family | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)
        | bpf_f_adj_room_encap_l2(ETH_LEN as u64)
        | SAME_SEGMENTS;
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_skb_adjust_room(skb, len as i32, BPF_ADJ_ROOM_MAC, flags) })?;
    store::<ETH_LEN>(ctx, len, &ethernet(ether))
}

/// Writes the outer headers into the room made for them; any that are there already are written over.
#[inline(always)]
pub(crate) fn overwrite(ctx: &TcContext, hop: &NextHop, shape: Shape, fill: Fill) -> Result<(), RewriteError> {
    match (shape.v6, shape.tagged) {
        (false, false) => overwrite_as::<V4_LEN, V4_LEN>(ctx, hop, fill),
        (true, false) => overwrite_as::<V6_LEN, V6_LEN>(ctx, hop, fill),
        (false, true) => overwrite_as::<V4_TAGGED, V4_LEN>(ctx, hop, fill),
        (true, true) => overwrite_as::<V6_TAGGED, V6_LEN>(ctx, hop, fill),
    }
}

/// `N` bytes of headers, of which `UNTAGGED` go into the frame; the tag goes beside it.
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
    // SAFETY: what is left of HEADER_MAX bytes behind MACs and tag is longer than what is read.
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
