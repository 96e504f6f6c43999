//! ARP and ND suppression on a standby node: a node without the lease of a VTEP address must not answer for it. The
//! address can still be on an interface, for example after the agent was killed. The kernel would then answer requests
//! and attract the traffic.

use gateway_common::{
    headers::{ETH_P_ARP, ETH_P_IPV6, IPPROTO_ICMPV6, IPV6_LEN, NEIGHBOUR_SOLICITATION},
    tunnel::Addr,
};

use crate::stages::{
    frame::{Ether, Frame, read},
    lease,
    maps::VTEPS,
};

/// ARP header fields: IPv4 and the lengths of both addresses (RFC 826). The hardware type before them is ignored: the
/// kernel answers Ethernet and IEEE 802 alike.
const ARP_IPV4: [u8; 4] = [8, 0, 6, 4];

/// True for ARP and neighbour solicitations about a VTEP address whose lease is not valid here.
///
/// Not inlined: its variables must not be on the stack of the packet path.
#[inline(never)]
pub(crate) fn applies<F: Frame>(frame: &F) -> bool {
    let Some(ether) = Ether::parse(frame, 0, true) else { return false };
    let target = match ether.ethertype {
        ETH_P_ARP => arp(frame, ether.payload),
        ETH_P_IPV6 => solicitation(frame, ether.payload),
        _ => None,
    };
    let Some(target) = target else { return false };
    // SAFETY: a live map value, used at once.
    let Some(vtep) = (unsafe { VTEPS.get(target) }) else { return false };
    !lease::is_valid(vtep.lease, lease::now())
}

/// Target address of an ARP packet. Requests, probes (RFC 5227 section 2.1) and announcements all have the address
/// there.
#[inline(always)]
fn arp<F: Frame>(frame: &F, at: usize) -> Option<Addr> {
    let kind: [u8; 4] = read(frame, at + 2)?;
    let target: [u8; 4] = read(frame, at + 24)?;
    (kind == ARP_IPV4).then_some(Addr::v4(target))
}

/// Target address of a neighbour solicitation, for any sender and hop limit.
#[inline(always)]
fn solicitation<F: Frame>(frame: &F, at: usize) -> Option<Addr> {
    let next_header: u8 = read(frame, at + 6)?;
    let kind: u8 = read(frame, at + IPV6_LEN)?;
    let target = Addr { bytes: read(frame, at + IPV6_LEN + 8)? };
    (next_header == IPPROTO_ICMPV6 && kind == NEIGHBOUR_SOLICITATION).then_some(target)
}
