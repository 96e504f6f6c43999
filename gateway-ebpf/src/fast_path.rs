//! Fast path at XDP: forwards frames whose flow has an entry in [`crate::stages::flow_cache`].
//!
//! The fast path takes frames of the plainest form only. Everything else goes, untouched, to the slow path (the stages
//! [`crate::stages::uplink`] and [`crate::stages::access`]), which also decides about the first frame of each flow. The fast path makes
//! no decision of its own, except for what is a property of the frame and not of its flow: whether the lease is still
//! valid, and whether the frame fits the outgoing interface.

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

use crate::stages::{
    clock, count, entropy,
    flow_cache::{self, PendingEntry},
    forward,
    frame::{Buffers, Ether, Frame, Tag, read},
    header::Fill,
    lease,
    maps::UDP_PORT,
    unaligned::{distance, load16, load32, load64},
    verdict::{Decision, Verdict},
};

/// Result of the fast path for one frame.
pub(crate) enum Lookup {
    /// The flow cache had an entry; this is the decision.
    Hit(Decision),
    /// The flow cache had no entry; the slow path may store its decision in this one.
    Miss(PendingEntry),
    /// The frame is not one for the fast path, or the entry does not cover it.
    Bypass,
}

/// Offset of the EtherType.
const ETHERTYPE: usize = 12;

/// Handles a packet from the underlay.
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

/// The MAC address bytes of an [`gateway_common::tunnel::Arrival`].
const ARRIVAL_MAC: u64 = u64::from_le_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);

/// Bytes from the start of the IPv4 header to the inner frame.
const TO_INNER: usize = IPV4_LEN + UDP_LEN + VXLAN_LEN;

/// Handles a packet with `SHIFT` bytes of VLAN tag before its IPv4 header.
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
        // Not a fragment, and UDP. The TTL between these fields may have any value.
        && fragment & 0xff00_ff3f == u32::from(IPPROTO_UDP) << 24
        && port == UDP_PORT.load()
        && vxlan as u8 & (VXLAN_FLAG_I | VXLAN_EXTENDED) == VXLAN_FLAG_I
        // One buffer, and no bytes after the packet.
        && distance(start, end) == ETH_LEN + SHIFT + total
        && total == IPV4_LEN + datagram
        && !matches!(ethertype, ETH_P_8021Q | ETH_P_8021AD);
    if !plain {
        return Lookup::Bypass;
    }
    let cpu = clock::cpu();
    let now = clock::now(cpu);
    // Same layout as an `Arrival` in memory: the MAC address, then the VLAN where the packet has the first bytes of the
    // source.
    let outermost = outer_dst & ARRIVAL_MAC | u64::from(u16::from_be(outer_tci) & 0xfff) << 48;
    let net = (vxlan >> 32) as u32 & u32::from_le_bytes([0xff, 0xff, 0xff, 0]);
    let key = FlowKey { ends, macs, rest, net, outermost };
    let Some(flow) = flow_cache::lookup(&key, cpu, now) else { return Lookup::Miss(PendingEntry::new(key)) };
    if !lease::is_valid(flow.lease(), now) {
        count::stray(flow.lease());
        return Lookup::Hit(Err(DropReason::LeaseExpired));
    }
    let len = (total - TO_INNER) as u32;
    if len > u32::from(flow.max) {
        return Lookup::Bypass;
    }
    // A frame from a tunnel goes to an access port (split horizon).
    let to = flow.to(fdb::LOCAL);
    let decision = forward::deliver(ctx, &to, inner_at, &ether(&key, Tag::NONE, ethertype), len, Buffers::One);
    if let Ok(Verdict::Redirect) = decision {
        count::from_tunnel(flow.from(), len);
        count::this_path::<{ PathCounter::XdpDecap as usize }>();
    }
    Lookup::Hit(decision)
}

/// Bytes of an IPv4 header without options and of the ports after it.
const TO_PORTS: usize = IPV4_LEN + 4;

/// Handles a frame from a VLAN.
#[inline(always)]
pub(crate) fn from_vlan(ctx: &mut XdpContext) -> Lookup {
    match read::<u16>(ctx, ETHERTYPE).map(u16::from_be) {
        Some(ETH_P_8021Q) => in_vlan::<TAG_LEN>(ctx),
        Some(_) => in_vlan::<0>(ctx),
        None => Lookup::Bypass,
    }
}

/// Handles a frame with `TAG` bytes of VLAN tag.
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
        // SAFETY: the bound was checked above.
        ETH_P_IP => unsafe { entropy::of_ipv4(behind.add(ETH_LEN)) },
        // Neighbour discovery goes to the slow path, which reports the sender's address to the agent.
        ETH_P_IPV6 if read::<u8>(ctx, ether.payload + 6) != Some(IPPROTO_ICMPV6) => entropy::of(ctx, &ether),
        _ => return Lookup::Bypass,
    };
    let cpu = clock::cpu();
    let now = clock::now(cpu);
    let ends = (ctx.ingress_ifindex() as u64) << 32 | u64::from(ether.vlan());
    let key = FlowKey { ends, macs, rest, net: FROM_VLAN, outermost: 0 };
    let Some(flow) = flow_cache::lookup(&key, cpu, now) else { return Lookup::Miss(PendingEntry::new(key)) };
    if !lease::is_valid(flow.lease(), now) {
        return Lookup::Hit(Err(DropReason::LeaseExpired));
    }
    let whole = Frame::len(ctx);
    let len = whole - TAG as u32;
    // Not every port takes a frame in several buffers, and the lengths in its headers may not agree with its size.
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

/// Ethernet header with the addresses of `key`.
#[inline(always)]
const fn ether(key: &FlowKey, tag: Tag, ethertype: u16) -> Ether {
    let [a, b, c, d, e, f, g, h] = key.macs.to_ne_bytes();
    let [i, j, k, l] = key.rest.to_ne_bytes();
    let payload = if tag.is_inline() { ETH_LEN + TAG_LEN } else { ETH_LEN };
    Ether { dst: [a, b, c, d, e, f], src: [g, h, i, j, k, l], tag, ethertype, payload }
}
