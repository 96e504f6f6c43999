//! ARP and neighbour discovery snooping: learns the IP address of a station behind an access port. A controller that
//! knows it can answer ARP and neighbour solicitations without flooding.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_RB_AVAIL_DATA},
    helpers::generated::bpf_ringbuf_query,
};
use gateway_common::{
    budget::{self, Spent},
    counters::PathCounter,
    event::{self, LearnEvent, SnoopKey},
    fdb::{FdbKey, Target},
    headers::{ETH_P_ARP, ETH_P_IPV6, IPPROTO_ICMPV6, IPV6_LEN, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION},
    limits::{EVENT_BYTES, SNOOP_AGAIN_NS},
    step::{self, Step},
    tunnel::Addr,
};

use crate::stages::{
    count,
    frame::{Ether, Frame, read},
    learn,
    maps::{EVENTS, SNOOPED},
    observer::Observer,
};

/// ARP header fields: Ethernet, IPv4, and the lengths of both addresses (RFC 826).
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// Hop limit of neighbour discovery that no router has forwarded (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;

/// Reports the sender's IP address to the agent if the frame announces one that was not reported recently.
#[inline(always)]
pub(crate) fn address<F: Frame>(frame: &F, vni: u32, ether: &Ether, from: &Target, now: u64) {
    let mut ip = Addr::NONE;
    if !matches!(ether.ethertype, ETH_P_ARP | ETH_P_IPV6) || !announced(frame, &mut ip) {
        return;
    }
    let [first, second] = step::address(ip.bytes);
    F::Observer::step(Step::Announces, [first, second, 0, 0]);
    if F::Observer::DRY_RUN {
        return;
    }
    notify_agent(FdbKey::new(vni, ether.src), &ip, from, now);
}

/// True if the frame announces the sender's IP address, which is stored in `ip`. Addresses that no host can have are
/// ignored: a controller would answer for them, to everyone.
///
/// Not inlined: its variables must not be on the stack of the packet path. The header is parsed again for the same
/// reason.
#[inline(never)]
fn announced<F: Frame>(frame: &F, ip: &mut Addr) -> bool {
    let Some(ether) = Ether::parse(frame, 0, true) else { return false };
    let found = match ether.ethertype {
        ETH_P_ARP => arp(frame, &ether),
        ETH_P_IPV6 => discovery(frame, ether.payload),
        _ => None,
    };
    match found {
        Some(found) if found.is_host() => {
            *ip = found;
            true
        }
        _ => false,
    }
}

#[inline(always)]
fn arp<F: Frame>(frame: &F, ether: &Ether) -> Option<Addr> {
    let kind: [u8; 6] = read(frame, ether.payload)?;
    let sender: [u8; 6] = read(frame, ether.payload + 8)?;
    let ip: [u8; 4] = read(frame, ether.payload + 14)?;
    // An ARP probe has sender address zero (RFC 5227), which is not a host address.
    (kind == ARP_ETHERNET_IPV4 && sender == ether.src).then_some(Addr::v4(ip))
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
    // Duplicate address detection sends from the unspecified address (RFC 4862 section 5.4.2), which is not a host
    // address. An IPv4-mapped address is not valid here.
    (!ip.is_v4_mapped()).then_some(ip)
}

#[inline(never)]
fn notify_agent(station: FdbKey, ip: &Addr, from: &Target, now: u64) {
    let key = SnoopKey { station, ip: *ip };
    // SAFETY: a live map value, copied at once.
    let reported = unsafe { SNOOPED.get(key) }.copied();
    if reported.is_some_and(|reported| now.wrapping_sub(reported) < SNOOP_AGAIN_NS) {
        return;
    }
    // Half of the ring buffer is reserved for MAC learning: stations that announce addresses, however fast, can't use
    // it up.
    // SAFETY: the helper reads a number of the map.
    let waiting = unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), BPF_RB_AVAIL_DATA.into()) };
    if waiting > u64::from(EVENT_BYTES / 2) || !learn::admit(budget::place(from), Spent::Snoop, now) {
        count::path(PathCounter::SnoopBudget);
        return;
    }
    // If the insert fails the address is reported once more, which is harmless.
    let _ = SNOOPED.insert(key, now, u64::from(BPF_ANY));
    let (vni, mac) = (station.vni, station.mac);
    learn::send_event(|| LearnEvent { kind: event::SNOOPED, vni, mac, reserved: 0, to: *from, ip: *ip });
}
