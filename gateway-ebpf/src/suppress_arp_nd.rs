//! A node that does not hold the lease of a VTEP address says nothing of it: should the address still be on one of its
//! interfaces, as after the agent has died, the kernel would answer whoever asks for it, and draw the traffic here.

use gateway_common::{
    headers::{ETH_P_ARP, ETH_P_IPV6, IPPROTO_ICMPV6, IPV6_LEN, NEIGHBOUR_SOLICITATION},
    tunnel::Addr,
};

use crate::{
    frame::{Ether, Frame, read},
    lease,
    maps::VTEPS,
};

/// IPv4, lengths of both addresses (RFC 826). The hardware type before them is not looked at: the kernel answers to
/// Ethernet's and to that of IEEE 802 alike.
const ARP_IPV4: [u8; 4] = [8, 0, 6, 4];

/// True for ARP and neighbour solicitations that ask for, or contest, a VTEP address whose lease does not run.
///
/// A call of its own, so that its variables are not on the stack of the path that packets take.
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

/// Whom ARP is about. Requests, probes (RFC 5227 section 2.1) and announcements alike have the address as the target.
#[inline(always)]
fn arp<F: Frame>(frame: &F, at: usize) -> Option<Addr> {
    let kind: [u8; 4] = read(frame, at + 2)?;
    let target: [u8; 4] = read(frame, at + 24)?;
    (kind == ARP_IPV4).then_some(Addr::v4(target))
}

/// Whom a solicitation is about, whoever sent it and from how far.
#[inline(always)]
fn solicitation<F: Frame>(frame: &F, at: usize) -> Option<Addr> {
    let next_header: u8 = read(frame, at + 6)?;
    let kind: u8 = read(frame, at + IPV6_LEN)?;
    let target = Addr { bytes: read(frame, at + IPV6_LEN + 8)? };
    (next_header == IPPROTO_ICMPV6 && kind == NEIGHBOUR_SOLICITATION).then_some(target)
}
