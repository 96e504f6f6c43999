//! Which IP address a station behind an access port has, from what it says itself: a controller that is told can answer
//! ARP and neighbour discovery for it without flooding.

use aya_ebpf::bindings::BPF_ANY;
use gateway_common::{
    event::{self, LearnEvent, SnoopKey},
    fdb::{FdbKey, Target},
    headers::{ETH_P_ARP, ETH_P_IPV6, IPPROTO_ICMPV6, IPV6_LEN, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION},
    limits::SNOOP_AGAIN_NS,
    step::{self, Step},
    tunnel::Addr,
};

use crate::{
    frame::{Ether, Frame, read},
    learn,
    maps::SNOOPED,
    watch::Watch,
};

/// Ethernet, IPv4, lengths of both (RFC 826).
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// Neighbour discovery is believed only if no router has passed it on (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;

/// Tells the agent if the frame says what the sender's address is, and it was not told so lately.
#[inline(always)]
pub(crate) fn address<F: Frame>(frame: &F, vni: u32, ether: &Ether, from: &Target, now: u64) {
    let ip = match ether.ethertype {
        ETH_P_ARP => arp(frame, ether),
        ETH_P_IPV6 => discovery(frame, ether.payload),
        _ => None,
    };
    if let Some(ip) = ip {
        let [first, second] = step::address(ip.bytes);
        F::Watch::step(Step::Announces, [first, second, 0, 0]);
        if F::Watch::DRY {
            return;
        }
        tell(FdbKey::new(vni, ether.src), ip, from, now);
    }
}

#[inline(always)]
fn arp<F: Frame>(frame: &F, ether: &Ether) -> Option<Addr> {
    let kind: [u8; 6] = read(frame, ether.payload)?;
    let sender: [u8; 6] = read(frame, ether.payload + 8)?;
    let ip: [u8; 4] = read(frame, ether.payload + 14)?;
    // A probe for an address not yet taken has zero there (RFC 5227).
    (kind == ARP_ETHERNET_IPV4 && sender == ether.src && ip != [0; 4]).then_some(Addr::v4(ip))
}

#[inline(always)]
fn discovery<F: Frame>(frame: &F, at: usize) -> Option<Addr> {
    let [next_header, hop_limit]: [u8; 2] = read(frame, at + 6)?;
    if next_header != IPPROTO_ICMPV6 || hop_limit != HOP_LIMIT {
        return None;
    }
    let kind: u8 = read(frame, at + IPV6_LEN)?;
    let ip = match kind {
        NEIGHBOUR_SOLICITATION => Addr { bytes: read(frame, at + 8)? },
        NEIGHBOUR_ADVERTISEMENT => Addr { bytes: read(frame, at + IPV6_LEN + 8)? },
        _ => return None,
    };
    // Before it has an address a station asks from none (RFC 4862 section 5.4.2).
    (ip != Addr::NONE).then_some(ip)
}

#[inline(never)]
fn tell(station: FdbKey, ip: Addr, from: &Target, now: u64) {
    let key = SnoopKey { station, ip };
    // SAFETY: a live map value, copied at once.
    let told = unsafe { SNOOPED.get(key) }.copied();
    if told.is_some_and(|told| now.wrapping_sub(told) < SNOOP_AGAIN_NS) {
        return;
    }
    // Where it can't be noted it will be told once more, no harm.
    let _ = SNOOPED.insert(key, now, u64::from(BPF_ANY));
    let (vni, mac) = (station.vni, station.mac);
    learn::send(&LearnEvent { kind: event::SNOOPED, vni, mac, reserved: 0, to: *from, ip });
}
