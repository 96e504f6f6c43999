//! Isolation of logical switches, by the outermost headers, the lease, and the place of the source.

use gateway_common::{
    counters::DropReason::{
        ControlProtocol, LeaseExpired, OtherInstance, OuterExtended, OuterMalformed, OuterMisaddressed, SourceElsewhere,
    },
    fdb::{self, FdbKey},
    headers::{ETH_LEN, VXLAN_EXTENDED, VXLAN_FLAG_I},
    net::MacAddr,
    tunnel::LEASE_FOREVER,
};
use gateway_datapath::Place;

use crate::{
    packets::*,
    world::{
        From::{PortA, PortB, Uplink},
        GATEWAY_MAC, Hook, NET, REMOTE_LOST, REMOTE_TAGGED, REMOTE_V4, REMOTE_V6, Verdict, World,
    },
};

const HOOKS: [Hook; 2] = [Hook::Xdp, Hook::Tc];
/// Offset of the VXLAN header in an untagged IPv4 packet.
const VXLAN: usize = ETH_LEN + 20 + 8;

/// Known unicast, and a frame to all.
fn inners() -> [Vec<u8>; 2] {
    [udp(VM1, HOST1), arp(VM1, MacAddr::BROADCAST)]
}

/// The same packet to another MAC address.
fn to_mac(packet: &[u8], mac: MacAddr) -> Vec<u8> {
    [&mac.0[..], &packet[6..]].concat()
}

/// With these flags in the VXLAN header.
fn flagged(packet: &[u8], flags: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[VXLAN] = flags;
    packet
}

/// Packets for the gateway's address that it is not to have.
fn misaddressed(packet: &[u8]) -> Vec<Vec<u8>> {
    let macs = [[2, 0x11, 0, 0, 0, 2], [0xff; 6], [0x33, 0x33, 0, 0, 0, 1], [0x01, 0, 0x5e, 0, 0, 5], [0; 6]];
    let macs = macs.map(|mac| to_mac(packet, MacAddr(mac)));
    macs.into_iter().chain([78, 100, 4094].map(|vlan| tagged(packet, vlan))).collect()
}

#[test]
fn a_packet_in_another_vlan_or_to_another_mac_is_not_decapsulated() {
    let mut world = World::new();
    for hook in HOOKS {
        for remote in [REMOTE_V4, REMOTE_V6] {
            for inner in inners() {
                for packet in misaddressed(&tunnelled(remote, NET, &inner)) {
                    world.run(hook, Uplink, &packet).is_dropped(OuterMisaddressed);
                }
            }
        }
    }
    assert!(world.sent(PortA).is_empty() && world.sent(PortB).is_empty());
}

#[test]
fn a_cached_flow_lets_no_packet_in_that_is_addressed_otherwise() {
    let mut world = World::new();
    let good = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1));
    for good in [good.clone(), tagged(&good, 77)] {
        for _ in 0..3 {
            assert_eq!(world.run(Hook::Xdp, Uplink, &good).verdict, Verdict::Redirect);
        }
        for packet in misaddressed(&tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))) {
            world.run(Hook::Xdp, Uplink, &packet).is_dropped(OuterMisaddressed);
        }
    }
}

#[test]
fn an_address_that_is_taken_away_ends_its_cached_flows() {
    let mut world = World::new();
    let good = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1));
    for _ in 0..2 {
        assert_eq!(world.run(Hook::Xdp, Uplink, &good).verdict, Verdict::Redirect);
    }
    world.reprogram(|desired| desired.arrivals.retain(|arrival| arrival.vlan == 77));
    world.run(Hook::Xdp, Uplink, &good).is_dropped(OuterMisaddressed);
    assert_eq!(world.run(Hook::Xdp, Uplink, &tagged(&good, 77)).verdict, Verdict::Redirect);
}

#[test]
fn a_priority_tag_is_no_vlan() {
    let mut world = World::new();
    for hook in HOOKS {
        let packet = tagged_as(&tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1)), 0x8100, 5 << 13);
        assert_eq!(world.run(hook, Uplink, &packet).verdict, Verdict::Redirect);
    }
}

#[test]
fn an_ipv4_address_in_an_ipv6_header_is_no_tunnel_end() {
    let mut world = World::new();
    let (remote, local) = (format!("::ffff:{REMOTE_V4}"), format!("::ffff:{}", crate::world::GATEWAY_V4));
    for hook in HOOKS {
        for inner in inners() {
            let packet = underlay_v6(&remote, &local, &vxlan(NET, &inner));
            world.run(hook, Uplink, &packet).is_dropped(OuterMalformed);
        }
    }
    assert!(world.sent(PortA).is_empty() && world.sent(PortB).is_empty());
}

/// As [`underlay`], of addresses that would be read as IPv4.
fn underlay_v6(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mut bytes = Vec::new();
    etherparse::PacketBuilder::ethernet2(crate::world::ROUTER_MAC.0, GATEWAY_MAC.0)
        .ipv6(octets(from), octets(to), 64)
        .udp(50000, 4789)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

#[test]
fn other_formats_than_vxlan_are_distinguished_from_reserved_bits() {
    let mut world = World::new();
    for hook in HOOKS {
        for inner in inners() {
            let good = tunnelled(REMOTE_V4, NET, &inner);
            for bit in (0..8).map(|bit| 1 << bit).filter(|bit| VXLAN_EXTENDED & bit != 0) {
                world.run(hook, Uplink, &flagged(&good, VXLAN_FLAG_I | bit)).is_dropped(OuterExtended);
            }
        }
        let good = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1));
        let reserved = flagged(&good, VXLAN_FLAG_I | !VXLAN_EXTENDED);
        assert_eq!(world.run(hook, Uplink, &reserved).verdict, Verdict::Redirect);
        // The flow is cached now.
        world.run(hook, Uplink, &flagged(&good, VXLAN_FLAG_I | 0x04)).is_dropped(OuterExtended);
    }
}

/// VNI 5001 belongs to another virtual router than the tunnel.
fn of_another_instance(world: &mut World, own: u32) {
    world.reprogram(|desired| {
        desired.switches.entry(NET).and_modify(|switch| switch.lease = own);
        for plan in desired.bindings.values_mut().filter(|plan| plan.vni == NET) {
            plan.lease = own;
        }
    });
}

#[test]
fn a_switch_of_another_instance_is_not_reached_through_a_tunnel_whose_lease_runs() {
    let mut world = World::new();
    of_another_instance(&mut world, 52);
    // Whether this node holds the other lease or not: a failover must make no difference.
    for other in [1, LEASE_FOREVER] {
        world.maps.set_lease(52, other).unwrap();
        for hook in HOOKS {
            for inner in [udp(VM1, HOST1), udp(VM1, HOST3), udp(VM1, STRANGER), arp(VM1, MacAddr::BROADCAST)] {
                world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &inner)).is_dropped(OtherInstance);
            }
        }
    }
    assert!(world.sent(PortA).is_empty() && world.sent(PortB).is_empty());
}

#[test]
fn a_station_learned_in_a_switch_of_another_instance_is_not_reached_either() {
    let mut world = World::new();
    of_another_instance(&mut world, 52);
    world.maps.set_lease(52, LEASE_FOREVER).unwrap();
    for hook in HOOKS {
        world.run(hook, PortA, &tagged(&udp(STRANGER, HOST2), 100));
        assert_eq!(world.mac(NET, STRANGER).map(|entry| entry.origin), Some(fdb::LEARNED));
        world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &udp(VM1, STRANGER))).is_dropped(OtherInstance);
    }
}

#[test]
fn a_switch_is_reached_through_a_tunnel_of_its_own_instance() {
    let mut world = World::new();
    of_another_instance(&mut world, 52);
    world.reprogram(|desired| {
        desired.switches.entry(NET).and_modify(|switch| switch.lease = 52);
        desired.bindings.values_mut().filter(|plan| plan.vni == NET).for_each(|plan| plan.lease = 52);
        desired.tunnels.values_mut().for_each(|plan| plan.lease = 52);
    });
    world.maps.set_lease(52, LEASE_FOREVER).unwrap();
    for hook in HOOKS {
        let outcome = world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1)));
        assert_eq!((outcome.verdict, outcome.dropped()), (Verdict::Redirect, vec![]));
    }
}

#[test]
fn a_tunnel_whose_own_lease_has_ended_is_not_sent_into() {
    let mut world = World::new();
    world.reprogram(|desired| desired.tunnels.values_mut().for_each(|plan| plan.lease = 52));
    for hook in HOOKS {
        world.maps.set_lease(52, LEASE_FOREVER).unwrap();
        for _ in 0..2 {
            assert_eq!(world.run(hook, PortA, &tagged(&udp(HOST1, VM1), 100)).verdict, Verdict::Redirect);
        }
        world.maps.set_lease(52, 1).unwrap();
        world.run(hook, PortA, &tagged(&udp(HOST1, VM1), 100)).is_dropped(LeaseExpired);
    }
}

fn control_protocols() -> Vec<Vec<u8>> {
    let groups = [[1, 0, 0x0c, 0xcc, 0xcc, 0xcc], [1, 0, 0x0c, 0xcc, 0xcc, 0xcd], [1, 0x80, 0xc2, 0, 0, 0x20]];
    let last = [1, 0x80, 0xc2, 0, 0, 0x2f];
    let frames = groups.into_iter().chain([last]).map(|group| frame(VM1, MacAddr(group), 0x32, &[0xaa; 50]));
    frames.map(|inner| tunnelled(REMOTE_V4, NET, &inner)).collect()
}

#[test]
fn control_protocols_do_not_leave_a_tunnel_unless_the_switch_lets_them() {
    let mut world = World::new();
    for hook in HOOKS {
        for packet in control_protocols() {
            world.run(hook, Uplink, &packet).is_dropped(ControlProtocol);
        }
    }
    assert!(world.sent(PortA).is_empty() && world.sent(PortB).is_empty());
    world.reprogram(|desired| {
        desired.switches.entry(NET).and_modify(|switch| switch.control_protocols = true);
    });
    for packet in control_protocols() {
        assert_eq!(world.run(Hook::Tc, Uplink, &packet).dropped(), []);
    }
    assert_eq!(world.sent(PortA).len(), control_protocols().len());
}

#[test]
fn control_protocols_of_a_vlan_go_where_all_groups_go() {
    let mut world = World::new();
    let pvst = frame(STRANGER, MacAddr([1, 0, 0x0c, 0xcc, 0xcc, 0xcd]), 0x32, &[0xaa; 50]);
    assert_eq!(world.run(Hook::Tc, PortA, &tagged(&pvst, 100)).dropped(), []);
    assert_eq!(world.sent(PortB).len(), 2);
}

/// A frame to a station, one to nobody known, and one to all.
fn with_source(source: MacAddr) -> [Vec<u8>; 3] {
    [udp(source, HOST1), udp(source, MacAddr([2, 0xfe, 0, 0, 0, 1])), arp(source, MacAddr::BROADCAST)]
}

#[test]
fn a_source_that_is_static_behind_another_tunnel_is_refused() {
    let mut world = World::new();
    for hook in HOOKS {
        for inner in with_source(VM1) {
            let forged = tagged(&tunnelled(REMOTE_TAGGED, NET, &inner), 77);
            world.run(hook, Uplink, &forged).is_dropped(SourceElsewhere);
        }
        for inner in with_source(VM1) {
            assert_eq!(world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &inner)).dropped(), []);
        }
    }
}

#[test]
fn a_source_that_is_on_a_vlan_is_refused_out_of_a_tunnel_static_or_learned() {
    let mut world = World::new();
    for hook in HOOKS {
        world.run(hook, PortA, &tagged(&udp(STRANGER, HOST2), 100));
        for inner in with_source(STRANGER).into_iter().chain([udp(HOST2, HOST1), arp(HOST2, MacAddr::BROADCAST)]) {
            world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &inner)).is_dropped(SourceElsewhere);
        }
    }
}

#[test]
fn an_unknown_source_is_accepted() {
    let mut world = World::new();
    for hook in HOOKS {
        for inner in with_source(MacAddr([2, 0xfd, 0, 0, 0, 9])) {
            assert_eq!(world.run(hook, Uplink, &tunnelled(REMOTE_V4, NET, &inner)).dropped(), []);
        }
    }
}

#[test]
fn a_cached_flow_ends_when_its_source_becomes_static_elsewhere() {
    let mut world = World::new();
    let packet = tunnelled(REMOTE_V4, NET, &udp(STRANGER, HOST1));
    for _ in 0..2 {
        assert_eq!(world.run(Hook::Xdp, Uplink, &packet).verdict, Verdict::Redirect);
    }
    let elsewhere: Place = World::remote(REMOTE_LOST, NET);
    world.reprogram(|desired| {
        desired.macs.insert(FdbKey::new(NET, STRANGER.0), elsewhere);
    });
    world.run(Hook::Xdp, Uplink, &packet).is_dropped(SourceElsewhere);
}

#[test]
fn a_switch_that_is_not_strict_refuses_only_static_macs_on_a_vlan() {
    let mut world = World::new();
    world.reprogram(|desired| {
        desired.switches.entry(NET).and_modify(|switch| switch.strict_sources = false);
        desired.bindings.values_mut().for_each(|plan| plan.strict_sender = false);
    });
    for hook in HOOKS {
        for inner in with_source(VM1) {
            assert_eq!(world.run(hook, Uplink, &tagged(&tunnelled(REMOTE_TAGGED, NET, &inner), 77)).dropped(), []);
        }
        let looped = tunnelled(REMOTE_V4, NET, &arp(HOST1, MacAddr::BROADCAST));
        world.run(hook, Uplink, &looped).is_dropped(SourceElsewhere);
    }
}
