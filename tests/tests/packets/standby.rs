//! A node without the lease of a VTEP address answers no request for it, of any kind.

use etherparse::{ArpOperation, PacketBuilder};
use gateway_common::{
    counters::DropReason::{LeaseExpired, StandbyArp, UnknownVtep},
    headers::ETH_LEN,
    net::MacAddr,
    tunnel::{Addr, LEASE_FOREVER},
};

use crate::{
    packets::*,
    world::{
        From::*, GATEWAY_MAC, GATEWAY_V4, GATEWAY_V6, Hook, NET, REMOTE_V4, REMOTE_V6, ROUTER_MAC, Verdict, World,
    },
};

const HOOKS: [Hook; 2] = [Hook::Xdp, Hook::Tc];
/// Where a solicitation for the gateway's address goes (RFC 4291 section 2.7.1).
const SOLICITED: MacAddr = MacAddr([0x33, 0x33, 0xff, 0, 0, 0x21]);

/// With a VLAN tag and without.
fn both(packet: Vec<u8>) -> [Vec<u8>; 2] {
    [tagged(&packet, 77), packet]
}

/// All ways to ask for, or contest, the IPv4 address `target`.
fn arps(target: &str) -> Vec<Vec<u8>> {
    let request = ArpOperation::REQUEST;
    let of = |dst, operation, sender| arp_about(ROUTER_MAC, dst, operation, sender, target);
    let mut ieee802 = of(MacAddr::BROADCAST, request, REMOTE_V4);
    ieee802[ETH_LEN + 1] = 6;
    let packets = [
        // A request, then one to see whether the neighbour is still there.
        of(MacAddr::BROADCAST, request, REMOTE_V4),
        of(GATEWAY_MAC, request, REMOTE_V4),
        // Is the address free?
        of(MacAddr::BROADCAST, request, "0.0.0.0"),
        // It is mine, in both forms (RFC 5227 section 3).
        of(MacAddr::BROADCAST, request, target),
        of(MacAddr::BROADCAST, ArpOperation::REPLY, target),
        ieee802,
    ];
    packets.into_iter().flat_map(both).collect()
}

/// All ways to ask for the IPv6 address `target`.
fn solicitations(target: &str) -> Vec<Vec<u8>> {
    let of = |dst, hop_limit, from| neighbour(ROUTER_MAC, dst, 135, hop_limit, from, target);
    let packets = [
        of(SOLICITED, 255, REMOTE_V6),
        of(GATEWAY_MAC, 255, REMOTE_V6),
        of(SOLICITED, 255, "fe80::1"),
        // Is the address free?
        of(SOLICITED, 255, "::"),
        of(SOLICITED, 64, REMOTE_V6),
    ];
    packets.into_iter().flat_map(both).collect()
}

fn questions() -> Vec<Vec<u8>> {
    [arps(GATEWAY_V4), solicitations(GATEWAY_V6)].concat()
}

#[test]
fn without_the_lease_no_request_for_the_address_is_answered() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    for hook in HOOKS {
        for packet in questions() {
            world.run(hook, Uplink, &packet).is_dropped(StandbyArp);
        }
    }
}

#[test]
fn with_the_lease_the_host_answers() {
    let mut world = World::new();
    for hook in HOOKS {
        for packet in questions() {
            world.run(hook, Uplink, &packet).is_passed(&packet);
        }
    }
}

#[test]
fn a_lease_never_written_is_none() {
    let mut world = World::new();
    world.maps.set_lease(0, 0).unwrap();
    for hook in HOOKS {
        for packet in questions() {
            world.run(hook, Uplink, &packet).is_dropped(StandbyArp);
        }
    }
}

#[test]
fn each_address_is_answered_for_by_its_own_lease() {
    let mut world = World::new();
    // Numbers of virtual routers, the largest among them.
    let (v4, v6) = (51, 255);
    let vtep = |text: &str| Addr::from(text.parse::<std::net::IpAddr>().unwrap());
    world.reprogram(|desired| desired.vteps = [(vtep(GATEWAY_V4), v4), (vtep(GATEWAY_V6), v6)].into());
    for (of_v4, of_v6) in [(LEASE_FOREVER, 0), (0, LEASE_FOREVER), (0, 0)] {
        world.maps.set_lease(v4, of_v4).unwrap();
        world.maps.set_lease(v6, of_v6).unwrap();
        for hook in HOOKS {
            for (lease, packets) in [(of_v4, arps(GATEWAY_V4)), (of_v6, solicitations(GATEWAY_V6))] {
                for packet in packets {
                    let outcome = world.run(hook, Uplink, &packet);
                    if lease == 0 { outcome.is_dropped(StandbyArp) } else { outcome.is_passed(&packet) }
                }
            }
        }
    }
}

#[test]
fn without_the_lease_the_nodes_own_addresses_are_still_answered_for() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    for hook in HOOKS {
        for packet in [arps("172.31.0.20"), solicitations("fd00::20"), arps("0.0.0.0"), solicitations("::")].concat() {
            world.run(hook, Uplink, &packet).is_passed(&packet);
        }
    }
}

/// The answers to this node's own questions, and what is for the address but draws no traffic here.
#[test]
fn without_the_lease_the_rest_is_the_hosts_as_before() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    let to_vtep = || PacketBuilder::ethernet2(ROUTER_MAC.0, GATEWAY_MAC.0).ipv4([172, 31, 0, 11], [172, 31, 0, 21], 64);
    let (mut ping, mut syn) = (Vec::new(), Vec::new());
    to_vtep().icmpv4_echo_request(1, 1).write(&mut ping, b"hello").unwrap();
    to_vtep().tcp(40000, 22, 7, 1024).syn().write(&mut syn, &[]).unwrap();
    let packets = [
        arp_about(ROUTER_MAC, GATEWAY_MAC, ArpOperation::REPLY, GATEWAY_V4, "172.31.0.20"),
        neighbour(ROUTER_MAC, GATEWAY_MAC, 136, 255, GATEWAY_V6, GATEWAY_V6),
        ping,
        syn,
        underlay(REMOTE_V4, GATEWAY_V4, 4790, &vxlan(NET, &udp(VM1, HOST1))),
    ];
    for hook in HOOKS {
        for packet in &packets {
            world.run(hook, Uplink, packet).is_passed(packet);
        }
    }
}

#[test]
fn without_the_lease_no_tunnel_packet_reaches_the_host() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    for hook in HOOKS {
        for (from, reason) in [
            (REMOTE_V4, LeaseExpired),
            (REMOTE_V6, LeaseExpired),
            ("172.31.0.66", UnknownVtep),
            ("fd00::66", UnknownVtep),
        ] {
            for packet in both(tunnelled(from, NET, &arp(VM1, MacAddr::BROADCAST))) {
                world.run(hook, Uplink, &packet).is_dropped(reason);
            }
        }
    }
}

/// The report that a neighbour entry is outdated rests on this.
#[test]
fn tunnel_packets_to_this_node_are_counted_while_another_one_has_the_lease() {
    let mut world = World::new();
    let count = |world: &World| world.maps.strays(0).unwrap();
    for hook in HOOKS {
        let packet = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1));
        let mut elsewhere = packet.clone();
        elsewhere[..6].copy_from_slice(&[2, 0xee, 0, 0, 0, 9]);
        let run = |world: &mut World, from, packet: &[u8]| {
            let before = count(world);
            world.run(hook, from, packet);
            count(world) - before
        };
        world.maps.set_lease(0, LEASE_FOREVER).unwrap();
        for _ in 0..2 {
            assert_eq!(run(&mut world, Uplink, &packet), 0, "{hook:?}: it is for this node");
        }
        world.maps.set_lease(0, 1).unwrap();
        // One on the slow path, and one on the fast path.
        for packet in [&packet, &tunnelled(REMOTE_V6, NET, &arp(VM1, MacAddr::BROADCAST))] {
            assert_eq!(run(&mut world, Uplink, packet), 1, "{hook:?}: sent here by mistake");
        }
        for packet in [elsewhere, tagged(&packet, 78)] {
            assert_eq!(run(&mut world, Uplink, &packet), 0, "{hook:?}: a switch sends it everywhere");
        }
        assert_eq!(run(&mut world, PortA, &tagged(&udp(HOST1, VM1), 100)), 0, "{hook:?}: of a VLAN");
    }
}

#[test]
fn questions_inside_a_tunnel_or_a_vlan_are_not_the_gateways() {
    let mut world = World::new();
    for hook in HOOKS {
        let question = arp_about(VM1, HOST1, ArpOperation::REQUEST, "10.0.0.101", GATEWAY_V4);
        world.maps.set_lease(0, LEASE_FOREVER).unwrap();
        let outcome = world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &question));
        assert_eq!((outcome.verdict, outcome.dropped()), (Verdict::Redirect, vec![]));
        world.maps.set_lease(0, 1).unwrap();
        let unbound = tagged(&question, 555);
        world.run(hook, PortA, &unbound).is_passed(&unbound);
    }
}

/// Whatever the bytes: no crash, and what is too short to ask for the address is not taken for asking.
#[test]
fn a_question_cut_short_passes() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    for hook in HOOKS {
        let [question, ..] = &solicitations(GATEWAY_V6)[..] else { panic!("there are solicitations") };
        // The kernel refuses to run a program on less than an IP header.
        for len in ETH_LEN + 4 + 40..ETH_LEN + 4 + 40 + 24 {
            world.run(hook, Uplink, &question[..len]).is_passed(&question[..len]);
        }
        for question in arps(GATEWAY_V4) {
            world.run(hook, Uplink, &question[..question.len() - 1]).is_passed(&question[..question.len() - 1]);
        }
    }
}

/// RFC 826: what is not IPv4 over six-byte addresses has other fields there.
#[test]
fn arp_of_other_protocols_passes() {
    let mut world = World::new();
    world.maps.set_lease(0, 1).unwrap();
    let request = arp_about(ROUTER_MAC, MacAddr::BROADCAST, ArpOperation::REQUEST, REMOTE_V4, GATEWAY_V4);
    for hook in HOOKS {
        for (offset, byte) in [(2, 0x86), (3, 0xdd), (4, 8), (5, 16)] {
            let mut other = request.clone();
            other[ETH_LEN + offset] = byte;
            world.run(hook, Uplink, &other).is_passed(&other);
        }
    }
}
