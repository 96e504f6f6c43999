//! The short way at XDP: frames of flows that were decided about lately ([`crate::flows`]).
//!
//! It takes what is plain in every respect, and leaves all else, untouched, to the long way, which also decides about the
//! first frame of each flow. So nothing is decided here that was not decided there, but for what is true of a frame
//! and not of its flow: whether the lease still runs, and whether it fits where it goes.

use aya_ebpf::programs::XdpContext;
use gateway_common::{
    counters::{DropReason, PathCounter},
    fdb,
    flow::{FROM_VLAN, FlowKey},
    headers::{
        ETH_LEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMPV6, IPPROTO_UDP, IPV4_LEN, TAG_LEN,
        UDP_LEN, VXLAN_EXTENDED, VXLAN_FLAG_I, VXLAN_LEN,
    },
};

use crate::{
    clock, count, entropy,
    flow_cache::{PendingEntry, Remembered as _},
    forward,
    frame::{Buffers, Ether, Frame, Tag, read},
    header::Fill,
    lease,
    maps::UDP_PORT,
    unaligned::{distance, load16, load32, load64},
    verdict::{Decision, Verdict},
};

/// What came of trying the short way.
pub(crate) enum Lookup {
    /// It is decided.
    Hit(Decision),
    /// The long way may note what it decides.
    Miss(PendingEntry),
    /// Not for the short way.
    Bypass,
}

/// Offset of the EtherType.
const ETHERTYPE: usize = 12;

/// A packet from the underlay.
#[inline(always)]
pub(crate) fn from_tunnel(ctx: &mut XdpContext) -> Lookup {
    match read::<u16>(ctx, ETHERTYPE).map(u16::from_be) {
        Some(ETH_P_IP) => over_ipv4::<0>(ctx),
        Some(ETH_P_8021Q) if read::<u16>(ctx, ETHERTYPE + TAG_LEN) == Some(ETH_P_IP.to_be()) => {
            over_ipv4::<TAG_LEN>(ctx)
        }
        _ => Lookup::Bypass,
    }
}

/// The address in an [`gateway_common::tunnel::Arrival`].
const ARRIVAL_MAC: u64 = u64::from_le_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);

/// Bytes from the IPv4 header to the inner frame.
const TO_INNER: usize = IPV4_LEN + UDP_LEN + VXLAN_LEN;

/// A packet with `SHIFT` bytes of tag before its IPv4 header.
#[inline(always)]
fn over_ipv4<const SHIFT: usize>(ctx: &mut XdpContext) -> Lookup {
    let inner_at = ETH_LEN + SHIFT + TO_INNER;
    let (start, end) = (Frame::data(ctx), Frame::data_end(ctx));
    if start + inner_at + ETH_LEN > end {
        return Lookup::Bypass;
    }
    // SAFETY: the bound was just checked.
    let (outer_dst, outer_tci, version, fragment, ends, udp, vxlan, macs, rest, ethertype) = unsafe {
        let at = (start as *const u8).add(SHIFT);
        (
            load64::<0>(start as *const u8),
            if SHIFT == 0 { 0 } else { load16::<ETH_LEN>(start as *const u8) },
            load32::<{ ETH_LEN }>(at),
            load32::<{ ETH_LEN + 6 }>(at),
            load64::<{ ETH_LEN + 12 }>(at),
            load64::<{ ETH_LEN + IPV4_LEN }>(at),
            load64::<{ ETH_LEN + IPV4_LEN + UDP_LEN }>(at),
            load64::<{ ETH_LEN + TO_INNER }>(at),
            load32::<{ ETH_LEN + TO_INNER + 8 }>(at),
            u16::from_be(load16::<{ ETH_LEN + TO_INNER + ETHERTYPE }>(at)),
        )
    };
    let total = usize::from(u16::from_be((version >> 16) as u16));
    let port = u16::from_be((udp >> 16) as u16);
    let datagram = usize::from(u16::from_be((udp >> 32) as u16));
    let plain = version as u8 == 0x45
        // No more fragments, no offset; the protocol; the time to live, between them, may be any.
        && fragment & 0xff00_ff3f == u32::from(IPPROTO_UDP) << 24
        && port == UDP_PORT.load()
        && vxlan as u8 & (VXLAN_FLAG_I | VXLAN_EXTENDED) == VXLAN_FLAG_I
        // All in one piece, and nothing behind the packet.
        && distance(start, end) == ETH_LEN + SHIFT + total
        && total == IPV4_LEN + datagram
        && !matches!(ethertype, ETH_P_8021Q | ETH_P_8021AD);
    if !plain {
        return Lookup::Bypass;
    }
    let cpu = clock::cpu();
    let now = clock::now(cpu);
    // As an `Arrival` lies in memory: the address, and the VLAN where the packet has the beginning of the source.
    let outermost = outer_dst & ARRIVAL_MAC | u64::from(u16::from_be(outer_tci) & 0xfff) << 48;
    let net = (vxlan >> 32) as u32 & u32::from_le_bytes([0xff, 0xff, 0xff, 0]);
    let key = FlowKey { ends, macs, rest, net, outermost };
    let Some(flow) = key.find(cpu, now) else { return Lookup::Miss(PendingEntry::new(key)) };
    if !lease::is_valid(flow.lease(), now) {
        count::stray(flow.lease());
        return Lookup::Hit(Err(DropReason::LeaseExpired));
    }
    let len = (total - TO_INNER) as u32;
    if len > u32::from(flow.max) {
        return Lookup::Bypass;
    }
    // What comes from a tunnel goes to a port.
    let to = flow.to(fdb::LOCAL);
    let decision = forward::deliver(ctx, &to, inner_at, &ether(&key, Tag::NONE, ethertype), len, Buffers::One);
    if let Ok(Verdict::Redirect) = decision {
        count::from_tunnel(flow.from(), len);
        count::this_path::<{ PathCounter::XdpDecap as usize }>();
    }
    Lookup::Hit(decision)
}

/// Bytes of an IPv4 header without options, and of the ports behind it.
const TO_PORTS: usize = IPV4_LEN + 4;

/// A frame from a VLAN.
#[inline(always)]
pub(crate) fn from_vlan(ctx: &mut XdpContext) -> Lookup {
    match read::<u16>(ctx, ETHERTYPE).map(u16::from_be) {
        Some(ETH_P_8021Q) => in_vlan::<TAG_LEN>(ctx),
        Some(_) => in_vlan::<0>(ctx),
        None => Lookup::Bypass,
    }
}

/// A frame with `TAG` bytes of tag.
#[inline(always)]
fn in_vlan<const TAG: usize>(ctx: &mut XdpContext) -> Lookup {
    let (start, end) = (Frame::data(ctx), Frame::data_end(ctx));
    if start + ETH_LEN + TAG + TO_PORTS > end {
        return Lookup::Bypass;
    }
    let at = start as *const u8;
    // SAFETY: the bound was just checked.
    let (macs, rest, tci, ethertype, behind) = unsafe {
        let behind = at.add(TAG);
        (load64::<0>(at), load32::<8>(at), load16::<ETH_LEN>(at), load16::<ETHERTYPE>(behind), behind)
    };
    let ethertype = u16::from_be(ethertype);
    let tag = if TAG == 0 { Tag::NONE } else { Tag::inline(u16::from_be(tci)) };
    let ether = ether(&FlowKey { ends: 0, macs, rest, net: 0, outermost: 0 }, tag, ethertype);
    let source_port = match ethertype {
        // SAFETY: the same bound.
        ETH_P_IP => unsafe { entropy::of_ipv4(behind.add(ETH_LEN)) },
        // What stations say of their own addresses is for the long way, which tells the agent.
        ETH_P_IPV6 if read::<u8>(ctx, ether.payload + 6) != Some(IPPROTO_ICMPV6) => entropy::of(ctx, &ether),
        _ => return Lookup::Bypass,
    };
    let cpu = clock::cpu();
    let now = clock::now(cpu);
    let ends = (ctx.ingress_ifindex() as u64) << 32 | u64::from(ether.vlan());
    let key = FlowKey { ends, macs, rest, net: FROM_VLAN, outermost: 0 };
    let Some(flow) = key.find(cpu, now) else { return Lookup::Miss(PendingEntry::new(key)) };
    if !lease::is_valid(flow.lease(), now) {
        return Lookup::Hit(Err(DropReason::LeaseExpired));
    }
    let whole = Frame::len(ctx);
    let len = whole - TAG as u32;
    // One in several buffers is not for every port, and what its headers say of its length may be another thing.
    if len > u32::from(flow.max) || whole != distance(start, end) as u32 {
        return Lookup::Bypass;
    }
    let remote = flow.kind() == fdb::REMOTE;
    let decision = if remote {
        let to = flow.to(fdb::REMOTE);
        let fill = Fill { vni: to.vni, len, source_port };
        forward::to_tunnel(ctx, &to, &ether, fill, flow.lease(), now, Buffers::One)
    } else {
        forward::deliver(ctx, &flow.to(fdb::LOCAL), 0, &ether, len, Buffers::One)
    };
    if let Ok(Verdict::Redirect) = decision {
        count::from_binding(flow.from(), len);
        if remote {
            count::this_path::<{ PathCounter::XdpEncap as usize }>();
        } else {
            count::this_path::<{ PathCounter::XdpLocal as usize }>();
        }
    }
    Lookup::Hit(decision)
}

/// The header that the addresses of `key` are of.
#[inline(always)]
const fn ether(key: &FlowKey, tag: Tag, ethertype: u16) -> Ether {
    let [a, b, c, d, e, f, g, h] = key.macs.to_ne_bytes();
    let [i, j, k, l] = key.rest.to_ne_bytes();
    let payload = if tag.is_inline() { ETH_LEN + TAG_LEN } else { ETH_LEN };
    Ether { dst: [a, b, c, d, e, f], src: [g, h, i, j, k, l], tag, ethertype, payload }
}
