//! Every reason to drop, at both hooks.

use std::collections::BTreeSet;

use gateway_common::{
    counters::DropReason::{self, *},
    headers::ETH_LEN,
    net::MacAddr,
};

use crate::{
    packets::*,
    world::{
        From::{self, *},
        Hook, LEARNING_NET, MAX_FRAME, NET, REMOTE_V4, REMOTE_V6, World,
    },
};

struct Case {
    name: &'static str,
    reason: DropReason,
    from: From,
    packet: Vec<u8>,
}

fn case(name: &'static str, reason: DropReason, from: From, packet: Vec<u8>) -> Case {
    Case { name, reason, from, packet }
}

/// A packet with bytes at some offset replaced.
fn with(mut packet: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    packet[offset..offset + bytes.len()].copy_from_slice(bytes);
    packet
}

/// Offsets in an untagged IPv4 VXLAN packet.
const IP: usize = ETH_LEN;
const UDP: usize = IP + 20;
const VXLAN: usize = UDP + 8;

fn options(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[IP] = 0x46;
    packet.splice(UDP..UDP, [1, 1, 1, 0]);
    let total = u16::from_be_bytes([packet[IP + 2], packet[IP + 3]]) + 4;
    with(packet, IP + 2, &total.to_be_bytes())
}

fn ipv6_fragment(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[IP + 6] = 44;
    // Next header UDP, first fragment, more to come.
    packet.splice(IP + 40..IP + 40, [17, 0, 0, 1, 0, 0, 0, 9]);
    packet
}

fn cases() -> Vec<Case> {
    let good = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1));
    let to = |inner: Vec<u8>| tunnelled(REMOTE_V4, NET, &inner);
    let group = MacAddr([0x01, 0, 0x5e, 0, 0, 1]);
    vec![
        case("without the I flag", OuterMalformed, Uplink, with(good.clone(), VXLAN, &[0])),
        case("a UDP length beyond the packet", OuterMalformed, Uplink, with(good.clone(), UDP + 4, &[0xff, 0xff])),
        case("a UDP length too short for VXLAN", OuterMalformed, Uplink, with(good.clone(), UDP + 4, &[0, 15])),
        case("an IP length beyond the packet", OuterMalformed, Uplink, good[..good.len() - 1].to_vec()),
        case("cut off in the VXLAN header", OuterMalformed, Uplink, to_gateway(REMOTE_V4, &vxlan(NET, &[])[..6])),
        case("the first fragment", OuterFragment, Uplink, with(good.clone(), IP + 6, &[0x20, 0])),
        case(
            "the first fragment over IPv6",
            OuterFragment,
            Uplink,
            ipv6_fragment(&tunnelled(REMOTE_V6, NET, &udp(VM1, HOST1))),
        ),
        case("to another's MAC", OuterMisaddressed, Uplink, with(good.clone(), 0, &[2, 0x99, 0, 0, 0, 1])),
        case("with a group policy", OuterExtended, Uplink, with(good.clone(), VXLAN, &[0x88])),
        case(
            "PVST+ out of a tunnel",
            ControlProtocol,
            Uplink,
            to(frame(VM1, MacAddr([1, 0, 0x0c, 0xcc, 0xcc, 0xcd]), 0x32, &[0xaa; 50])),
        ),
        case("IPv4 options", OuterOptions, Uplink, options(&good)),
        case("an unknown VTEP", UnknownVtep, Uplink, tunnelled("172.31.0.66", NET, &udp(VM1, HOST1))),
        case("an unknown IPv6 VTEP", UnknownVtep, Uplink, tunnelled("fd00::66", NET, &udp(VM1, HOST1))),
        case("a VNI nobody has", UnknownVni, Uplink, tunnelled(REMOTE_V4, 6666, &udp(VM1, HOST1))),
        case(
            "broadcast on a VNI nobody has",
            UnknownVni,
            Uplink,
            tunnelled(REMOTE_V4, 6666, &arp(VM1, MacAddr::BROADCAST)),
        ),
        case("VNI 0, which is BFD", UnknownVni, Uplink, tunnelled(REMOTE_V4, 0, &udp(VM1, HOST1))),
        case("nothing inside", FrameMalformed, Uplink, to(vec![])),
        case("half an Ethernet header inside", FrameMalformed, Uplink, to(udp(VM1, HOST1)[..13].to_vec())),
        case("half a tag inside", FrameMalformed, Uplink, to(tagged(&udp(VM1, HOST1), 100)[..16].to_vec())),
        case("from a group, out of a tunnel", BadSource, Uplink, to(udp(group, HOST1))),
        case("from nobody, out of a tunnel", BadSource, Uplink, to(udp(MacAddr([0; 6]), HOST1))),
        case("from a group", BadSource, PortA, tagged(&udp(group, VM1), 100)),
        case("a VM's own frame, looped back", SourceElsewhere, PortA, tagged(&udp(VM1, MacAddr::BROADCAST), 100)),
        case("a VM's address, forged", SourceElsewhere, PortA, tagged(&udp(VM1, HOST2), 100)),
        case("a host's address from another port", SourceElsewhere, PortA, tagged(&udp(HOST2, VM1), 100)),
        case("a host's own broadcast, looped back", SourceElsewhere, Uplink, to(arp(HOST1, MacAddr::BROADCAST))),
        case("two tags", InnerTagged, PortA, tagged(&tagged(&udp(HOST1, VM1), 7), 100)),
        case("a service tag", InnerTagged, PortB, tagged_as(&udp(HOST2, VM1), 0x88a8, 7)),
        case("a foreign tag out of a tunnel", InnerTagged, Uplink, to(tagged(&udp(VM1, HOST2), 9))),
        case("a service tag out of a tunnel", InnerTagged, Uplink, to(tagged_as(&udp(VM1, HOST1), 0x88a8, 100))),
        case("two tags out of a tunnel", InnerTagged, Uplink, to(tagged(&tagged(&udp(VM1, HOST1), 100), 100))),
        case(
            "spanning tree out of a tunnel",
            LinkLocal,
            Uplink,
            to(frame(VM1, MacAddr([1, 0x80, 0xc2, 0, 0, 0]), 0x27, &[0x42; 39])),
        ),
        case("tunnel to tunnel", SplitHorizon, Uplink, to(udp(STRANGER, VM6))),
        case("to itself", SamePort, PortA, tagged(&udp(STRANGER, HOST1), 100)),
        case("an unreachable VTEP", TunnelUnresolved, PortA, tagged(&udp(HOST1, VM_LOST), 100)),
        case("too long for the underlay", TooBig, PortA, tagged(&udp_of(HOST1, VM1, MAX_FRAME), 100)),
    ]
}

/// Reasons that only replication, or a state of the world, brings about; each has a test below, in `flood`, `ports`, `standby` or
/// `isolation`.
const ELSEWHERE: [DropReason; 7] =
    [LeaseExpired, NoReceiver, RewriteFailed, FloodFailed, StandbyArp, OtherInstance, PortDown];

#[test]
fn each_packet_is_dropped_for_its_reason_and_no_other() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for Case { name, reason, from, packet } in cases() {
            let outcome = world.run(hook, from, &packet);
            if outcome.dropped() != vec![(reason, 1)] || outcome.verdict != crate::world::Verdict::Drop {
                wrong.push(format!("{name} at {hook:?}: {:?}, dropped {:?}", outcome.verdict, outcome.dropped()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let remote = world.sent(Uplink);
    assert!(remote.is_empty(), "a dropped packet left all the same: {remote:?}");
}

#[test]
fn no_reason_is_without_a_case() {
    let covered: BTreeSet<DropReason> = cases().iter().map(|case| case.reason).chain(ELSEWHERE).collect();
    let missing: Vec<&DropReason> = DropReason::ALL.iter().filter(|reason| !covered.contains(reason)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn without_the_lease_nothing_is_forwarded_either_way() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    for hook in [Hook::Xdp, Hook::Tc] {
        for (from, packet) in [
            (Uplink, tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))),
            (Uplink, tunnelled(REMOTE_V4, NET, &arp(VM1, MacAddr::BROADCAST))),
            (PortA, tagged(&udp(HOST1, VM1), 100)),
            (PortA, tagged(&arp(HOST1, MacAddr::BROADCAST), 100)),
            (PortA, tagged(&udp(HOST1, HOST2), 100)),
        ] {
            world.run(hook, from, &packet).is_dropped(LeaseExpired);
        }
        world.run(hook, PortA, &tagged(&udp(STRANGER, VM1), 100)).is_dropped(LeaseExpired);
    }
    assert_eq!(world.mac(NET, STRANGER), None, "a node without the lease learns nothing");
}

#[test]
fn a_frame_to_all_with_nobody_else_there_has_no_receiver() {
    let mut world = World::new();
    for packet in [udp(STRANGER, MacAddr::BROADCAST), udp(STRANGER, HOST1)] {
        world.run(Hook::Tc, PortB, &tagged(&packet, 400)).is_dropped(NoReceiver);
    }
}

#[test]
fn a_tunnel_whose_headers_make_no_sense_is_a_failed_rewrite() {
    let mut world = World::new();
    world.reprogram(|desired| {
        for plan in desired.tunnels.values_mut() {
            plan.hop.header_len = 51;
        }
    });
    for hook in [Hook::Xdp, Hook::Tc] {
        world.run(hook, PortA, &tagged(&udp(HOST1, VM1), 100)).is_dropped(RewriteFailed);
    }
}

/// Whatever the bytes: no crash, no verdict but these, and what is dropped is counted.
#[test]
fn cut_packets_are_dropped_or_passed_and_never_forwarded() {
    let mut world = World::new();
    let whole = [
        (Uplink, tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))),
        (Uplink, tunnelled(REMOTE_V6, NET, &tagged(&udp(VM1, HOST1), 100))),
        (Uplink, tunnelled(REMOTE_V4, LEARNING_NET, &udp(VM1, HOST1))),
    ];
    for hook in [Hook::Xdp, Hook::Tc] {
        for (from, packet) in &whole {
            // The kernel refuses to run a program on less than an IP header.
            for len in ETH_LEN + 40..packet.len() {
                let outcome = world.run(hook, *from, &packet[..len]);
                assert_ne!(outcome.verdict, crate::world::Verdict::Redirect, "{len} of {} bytes", packet.len());
                assert_eq!(outcome.verdict == crate::world::Verdict::Drop, !outcome.dropped().is_empty());
            }
        }
    }
    assert!(world.sent(PortA).is_empty() && world.sent(PortB).is_empty());
}
