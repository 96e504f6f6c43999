//! Which IP address a station behind an access port has, from what it says itself: a controller that is told can answer
//! ARP and neighbour discovery for it without flooding.

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

use crate::{
    count,
    frame::{Ether, Frame, read},
    learn,
    maps::{EVENTS, SNOOPED},
    observer::Observer,
};

/// Ethernet, IPv4, lengths of both (RFC 826).
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// Neighbour discovery is believed only if no router has passed it on (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;

/// Tells the agent if the frame says what the sender's address is, and it was not told so lately.
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

/// True if the frame says what the sender's address is, and which. What can't be a machine's own is none: a controller that was
/// told of it would answer for it, to everybody.
///
/// A call of its own, so that its variables are not on the stack of the path that packets take; for the same reason the
/// header is read again.
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
    // A probe for an address not yet taken has zero there (RFC 5227): no host's.
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
    // Before it has an address a station asks from none (RFC 4862 section 5.4.2): no host's. Of IPv4 this can't be.
    (!ip.is_v4_mapped()).then_some(ip)
}

#[inline(never)]
fn notify_agent(station: FdbKey, ip: &Addr, from: &Target, now: u64) {
    let key = SnoopKey { station, ip: *ip };
    // SAFETY: a live map value, copied at once.
    let told = unsafe { SNOOPED.get(key) }.copied();
    if told.is_some_and(|told| now.wrapping_sub(told) < SNOOP_AGAIN_NS) {
        return;
    }
    // Half of the room is for who is where: what stations say of themselves, as fast as they like, can't crowd that out.
    // SAFETY: the helper reads a number of the map.
    let waiting = unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), BPF_RB_AVAIL_DATA.into()) };
    if waiting > u64::from(EVENT_BYTES / 2) || !learn::admit(budget::place(from), Spent::Snoop, now) {
        count::path(PathCounter::SnoopBudget);
        return;
    }
    // Where it can't be noted it will be told once more, no harm.
    let _ = SNOOPED.insert(key, now, u64::from(BPF_ANY));
    let (vni, mac) = (station.vni, station.mac);
    learn::send_event(|| LearnEvent { kind: event::SNOOPED, vni, mac, reserved: 0, to: *from, ip: *ip });
}
