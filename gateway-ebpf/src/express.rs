//! The short way at XDP: frames of flows that were decided about lately ([`crate::flows`]).
//!
//! It takes what is plain in every respect, and leaves all else, untouched, to the long way, which also decides about the
//! first frame of each flow. So nothing is decided here that was not decided there, but for what is true of a frame
//! and not of its flow: whether the lease still runs, and whether it fits where it goes.

use aya_ebpf::programs::XdpContext;
use gateway_common::{
    counters::{DropReason, PathCounter},
    fdb,
    headers::{
        ETH_LEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMPV6, IPPROTO_UDP, IPV4_LEN, TAG_LEN,
        UDP_LEN, VXLAN_FLAG_I, VXLAN_LEN,
    },
};

use crate::{
    count,
    flows::{FROM_VLAN, Key, Ticket},
    forward,
    frame::{Ether, Frame, Tag, read},
    lease,
    maps::UDP_PORT,
    verdict::{Decision, Verdict},
    wide::{distance, load16, load32, load64},
};

/// What came of trying the short way.
pub(crate) enum Express {
    /// It is decided.
    Taken(Decision),
    /// The long way may note what it decides.
    New(Ticket),
    /// Not for the short way.
    No,
}

/// Offset of the EtherType.
const ETHERTYPE: usize = 12;

/// A packet from the underlay.
#[inline(always)]
pub(crate) fn from_tunnel(ctx: &mut XdpContext) -> Express {
    match read::<u16>(ctx, ETHERTYPE).map(u16::from_be) {
        Some(ETH_P_IP) => over_ipv4::<ETH_LEN>(ctx),
        Some(ETH_P_8021Q) if read::<u16>(ctx, ETHERTYPE + TAG_LEN) == Some(ETH_P_IP.to_be()) => {
            over_ipv4::<{ ETH_LEN + TAG_LEN }>(ctx)
        }
        _ => Express::No,
    }
}

/// A packet whose IPv4 header is at `IP`.
#[inline(always)]
fn over_ipv4<const IP: usize>(ctx: &mut XdpContext) -> Express {
    let (udp_at, vxlan_at) = (IP + IPV4_LEN, IP + IPV4_LEN + UDP_LEN);
    let inner_at = vxlan_at + VXLAN_LEN;
    let (start, end) = (Frame::data(ctx), Frame::data_end(ctx));
    if start + inner_at + ETH_LEN > end {
        return Express::No;
    }
    let at = start as *const u8;
    // SAFETY: the bound was just checked.
    let (version, fragment, ends, udp, vxlan, macs, rest, ethertype) = unsafe {
        (
            load32(at.add(IP)),
            load32(at.add(IP + 6)),
            load64(at.add(IP + 12)),
            load64(at.add(udp_at)),
            load64(at.add(vxlan_at)),
            load64(at.add(inner_at)),
            load32(at.add(inner_at + 8)),
            u16::from_be(load16(at.add(inner_at + ETHERTYPE))),
        )
    };
    let total = usize::from(u16::from_be((version >> 16) as u16));
    let port = u16::from_be((udp >> 16) as u16);
    let datagram = usize::from(u16::from_be((udp >> 32) as u16));
    let plain = version as u8 == 0x45
        // No more fragments, no offset; the protocol; the time to live, between them, may be any.
        && fragment & 0xff00_ff3f == u32::from(IPPROTO_UDP) << 24
        && port == UDP_PORT.load()
        && vxlan as u8 & VXLAN_FLAG_I != 0
        // All in one piece, and nothing behind the packet.
        && distance(start, end) == IP + total
        && total == IPV4_LEN + datagram
        && !matches!(ethertype, ETH_P_8021Q | ETH_P_8021AD);
    if !plain {
        return Express::No;
    }
    let now = lease::now();
    let key = Key { ends, macs, rest, net: (vxlan >> 32) as u32 & u32::from_le_bytes([0xff, 0xff, 0xff, 0]) };
    let Some(flow) = key.find(now) else { return Express::New(Ticket::new(key)) };
    if !lease::holds(flow.lease, now) {
        return Express::Taken(Err(DropReason::LeaseExpired));
    }
    let len = (IP + total - inner_at) as u32;
    let decision = forward::to_port(ctx, &flow.to, inner_at, key.ether(Tag::None, ethertype), len);
    if let Ok(Verdict::Redirect) = decision {
        count::from_tunnel(flow.from, len);
        count::path(PathCounter::XdpDecap);
    }
    Express::Taken(decision)
}

/// A frame from a VLAN.
#[inline(always)]
pub(crate) fn from_vlan(ctx: &mut XdpContext) -> Express {
    let (start, end) = (Frame::data(ctx), Frame::data_end(ctx));
    if start + ETH_LEN + TAG_LEN > end {
        return Express::No;
    }
    let at = start as *const u8;
    // SAFETY: the bound was just checked.
    let (macs, rest, outermost, behind) =
        unsafe { (load64(at), load32(at.add(8)), load16(at.add(ETHERTYPE)), load32(at.add(ETH_LEN))) };
    let (tag, ethertype) = match u16::from_be(outermost) {
        ETH_P_8021Q => (Tag::Inline(u16::from_be(behind as u16) & 0xfff), u16::from_be((behind >> 16) as u16)),
        ethertype => (Tag::None, ethertype),
    };
    let ether = Key { ends: 0, macs, rest, net: 0 }.ether(tag, ethertype);
    // What stations say of their own addresses is for the long way, which tells the agent.
    let plain = match ethertype {
        ETH_P_IP => true,
        ETH_P_IPV6 => read::<u8>(ctx, ether.payload + 6).is_some_and(|next_header| next_header != IPPROTO_ICMPV6),
        _ => false,
    };
    if !plain {
        return Express::No;
    }
    let now = lease::now();
    let ends = (ctx.ingress_ifindex() as u64) << 32 | u64::from(ether.vlan());
    let key = Key { ends, macs, rest, net: FROM_VLAN };
    let Some(flow) = key.find(now) else { return Express::New(Ticket::new(key)) };
    if !lease::holds(flow.lease, now) {
        return Express::Taken(Err(DropReason::LeaseExpired));
    }
    let len = Frame::len(ctx) - ether.tag_bytes() as u32;
    let (decision, path) = if flow.to.kind == fdb::REMOTE {
        (forward::to_tunnel(ctx, &flow.to, ether, len, now), PathCounter::XdpEncap)
    } else {
        (forward::to_port(ctx, &flow.to, 0, ether, len), PathCounter::XdpLocal)
    };
    if let Ok(Verdict::Redirect) = decision {
        count::from_binding(flow.from, len);
        count::path(path);
    }
    Express::Taken(decision)
}

impl Key {
    /// The header that the addresses are of.
    #[inline(always)]
    const fn ether(&self, tag: Tag, ethertype: u16) -> Ether {
        let [a, b, c, d, e, f, g, h] = self.macs.to_ne_bytes();
        let [i, j, k, l] = self.rest.to_ne_bytes();
        let payload = if let Tag::Inline(_) = tag { ETH_LEN + TAG_LEN } else { ETH_LEN };
        Ether { dst: [a, b, c, d, e, f], src: [g, h, i, j, k, l], tag, ethertype, payload }
    }
}
