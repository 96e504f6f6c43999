//! Learning in the kernel, and its limits.

use gateway_common::{
    counters::PathCounter,
    fdb::{self, FdbKey},
    logical_switch::SwitchEntry,
    net::MacAddr,
};
use gateway_datapath::op::Op;

use crate::{
    packets::*,
    world::{From, Hook, LEARNING_NET, NET, REMOTE_V4, Verdict, World},
};

fn stranger(number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    MacAddr([2, 0xdd, 0, 0, high, low])
}

#[test]
fn a_sender_on_a_vlan_is_learned_there() {
    for hook in [Hook::Xdp, Hook::Tc] {
        let mut world = World::new();
        let outcome = world.run(hook, From::PortA, &tagged(&udp(STRANGER, VM1), 100));
        assert_eq!(outcome.counted(PathCounter::Learned), 1);
        let entry = world.mac(NET, STRANGER).unwrap();
        let binding = world.binding(From::PortA, 100);
        assert_eq!((entry.origin, entry.to.kind), (fdb::LEARNED, fdb::LOCAL));
        assert_eq!((entry.to.out, entry.to.vlan), (binding.ifindex, 100));
        assert!(entry.seen > 0);
        assert_eq!(world.maps.learned(NET).unwrap(), 1);
    }
}

#[test]
fn a_sender_that_moves_is_followed() {
    for hook in [Hook::Xdp, Hook::Tc] {
        let mut world = World::new();
        world.run(hook, From::PortA, &tagged(&udp(STRANGER, VM1), 100));
        let outcome = world.run(hook, From::PortB, &udp(STRANGER, VM1));
        assert_eq!(outcome.counted(PathCounter::Moved), 1);
        let to = world.mac(NET, STRANGER).unwrap().to;
        assert_eq!((to.out, to.vlan), (world.binding(From::PortB, 0).ifindex, 0));
        assert_eq!(world.maps.learned(NET).unwrap(), 1, "a move is nothing new");
    }
}

#[test]
fn one_mac_in_two_logical_switches_is_two_stations() {
    let mut world = World::new();
    world.run(Hook::Xdp, From::PortA, &tagged(&udp(STRANGER, MacAddr::BROADCAST), 100));
    world.run(Hook::Xdp, From::PortA, &tagged(&udp(STRANGER, MacAddr::BROADCAST), 200));
    assert_eq!(world.mac(NET, STRANGER).unwrap().to.vlan, 100);
    assert_eq!(world.mac(LEARNING_NET, STRANGER).unwrap().to.vlan, 200);
}

#[test]
fn traffic_never_changes_a_static_mac() {
    let mut world = World::new();
    let before = world.mac(NET, VM1).unwrap();
    for hook in [Hook::Xdp, Hook::Tc] {
        world.run(hook, From::PortA, &tagged(&udp(VM1, MacAddr::BROADCAST), 100));
        world.run(hook, From::PortB, &udp(VM1, HOST1));
    }
    assert_eq!(world.mac(NET, VM1), Some(before));
}

#[test]
fn senders_behind_tunnels_are_learned_only_where_asked_for() {
    for hook in [Hook::Xdp, Hook::Tc] {
        let mut world = World::new();
        world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, NET, &arp(STRANGER, MacAddr::BROADCAST)));
        assert_eq!(world.mac(NET, STRANGER), None);
        world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, LEARNING_NET, &arp(STRANGER, MacAddr::BROADCAST)));
        let entry = world.mac(LEARNING_NET, STRANGER).unwrap();
        assert_eq!((entry.to.kind, entry.to.vni, entry.origin), (fdb::REMOTE, LEARNING_NET, fdb::LEARNED));
    }
}

#[test]
fn a_sender_behind_a_tunnel_is_learned_from_unicast_too() {
    for hook in [Hook::Xdp, Hook::Tc] {
        let mut world = World::new();
        let host = stranger(1);
        world.run(hook, From::PortA, &tagged(&udp(host, MacAddr::BROADCAST), 200));
        let outcome = world.run(hook, From::Uplink, &tunnelled(REMOTE_V4, LEARNING_NET, &udp(STRANGER, host)));
        assert_eq!(outcome.verdict, Verdict::Redirect);
        assert_eq!(world.mac(LEARNING_NET, STRANGER).unwrap().to.kind, fdb::REMOTE);
        // And the answer finds its way without being flooded.
        let answer = world.run(hook, From::PortA, &tagged(&udp(host, STRANGER), 200));
        assert_eq!(answer.verdict, Verdict::Redirect);
    }
}

#[test]
fn a_station_that_moves_between_vlan_and_tunnel_is_followed() {
    let mut world = World::new();
    world.run(Hook::Xdp, From::PortA, &tagged(&arp(STRANGER, MacAddr::BROADCAST), 200));
    world.run(Hook::Xdp, From::Uplink, &tunnelled(REMOTE_V4, LEARNING_NET, &arp(STRANGER, MacAddr::BROADCAST)));
    assert_eq!(world.mac(LEARNING_NET, STRANGER).unwrap().to.kind, fdb::REMOTE);
    world.run(Hook::Xdp, From::PortA, &tagged(&arp(STRANGER, MacAddr::BROADCAST), 200));
    assert_eq!(world.mac(LEARNING_NET, STRANGER).unwrap().to.kind, fdb::LOCAL);
}

#[test]
fn the_limit_of_a_logical_switch_holds_and_what_is_known_stays() {
    let mut world = World::new();
    let switch = world.maps.programmed().unwrap().switches[&NET];
    world.maps.change().write(&Op::PutSwitch(NET, SwitchEntry { learn_ceiling: 3, ..switch })).unwrap();
    let mut refused = 0;
    for number in 0..5 {
        let outcome = world.run(Hook::Xdp, From::PortA, &tagged(&udp(stranger(number), VM1), 100));
        assert_eq!(outcome.verdict, Verdict::Redirect, "a sender that is not learned is forwarded all the same");
        refused += outcome.counted(PathCounter::LearnLimit);
    }
    assert_eq!(refused, 2);
    assert!(world.mac(NET, stranger(2)).is_some() && world.mac(NET, stranger(3)).is_none());
}

#[test]
fn a_full_database_is_counted_and_what_is_in_it_keeps_working() {
    let mut world = World::with_fdb(16);
    let switch = world.maps.programmed().unwrap().switches[&NET];
    world.maps.change().write(&Op::PutSwitch(NET, SwitchEntry { learn_ceiling: u64::MAX, ..switch })).unwrap();
    let mut full = 0;
    for number in 0..64 {
        full +=
            world.run(Hook::Xdp, From::PortA, &tagged(&udp(stranger(number), VM1), 100)).counted(PathCounter::FdbFull);
    }
    assert!(full > 0, "64 MACs in room for 16");
    assert_eq!(world.run(Hook::Xdp, From::PortA, &tagged(&udp(HOST1, VM1), 100)).verdict, Verdict::Redirect);
    assert!(world.mac(NET, VM1).is_some());
}

#[test]
fn learned_and_moved_macs_are_events_for_the_agent() {
    let mut world = World::new();
    world.run(Hook::Xdp, From::PortA, &tagged(&udp(STRANGER, VM1), 100));
    world.run(Hook::Xdp, From::PortB, &udp(STRANGER, VM1));
    world.run(Hook::Xdp, From::PortB, &udp(STRANGER, VM1));
    let events = world.events();
    let kinds: Vec<u32> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [gateway_common::event::LEARNED, gateway_common::event::MOVED]);
    assert!(events.iter().all(|event| FdbKey::new(event.vni, event.mac) == FdbKey::new(NET, STRANGER.0)));
}

/// Returns the IP addresses that the kernel has reported.
fn snooped(world: &mut World) -> Vec<(MacAddr, std::net::IpAddr)> {
    let events = world.events().into_iter().filter(|event| event.kind == gateway_common::event::SNOOPED);
    events.map(|event| (MacAddr(event.mac), event.ip.into())).collect()
}

#[test]
fn an_arp_packet_reports_its_senders_address_once() {
    // Reported addresses are remembered from test to test, so these are stations of their own.
    for (hook, host) in [(Hook::Xdp, stranger(201)), (Hook::Tc, stranger(202))] {
        let mut world = World::new();
        for _ in 0..3 {
            world.run(hook, From::PortA, &tagged(&arp(host, MacAddr::BROADCAST), 100));
        }
        assert_eq!(snooped(&mut world), [(host, "10.0.0.101".parse().unwrap())]);
    }
}

#[test]
fn an_arp_packet_with_another_senders_mac_reports_nothing() {
    let mut world = World::new();
    let mut forged = arp(HOST1, MacAddr::BROADCAST);
    forged[6..12].copy_from_slice(&STRANGER.0);
    world.run(Hook::Xdp, From::PortA, &tagged(&forged, 100));
    assert_eq!(snooped(&mut world), []);
}

#[test]
fn neighbour_discovery_reports_the_senders_address() {
    let (own, asked) = ("fd00::101", "fd00::11");
    for (hook, host) in [(Hook::Xdp, stranger(203)), (Hook::Tc, stranger(204))] {
        let mut world = World::new();
        world.run(hook, From::PortA, &tagged(&neighbour(host, VM1, 135, 255, own, asked), 100));
        assert_eq!(snooped(&mut world), [(host, own.parse().unwrap())], "the source of a solicitation");
        world.run(hook, From::PortA, &tagged(&neighbour(host, VM1, 136, 255, own, asked), 100));
        assert_eq!(snooped(&mut world), [(host, asked.parse().unwrap())], "the target of an advertisement");
        world.run(hook, From::PortA, &tagged(&neighbour(host, VM1, 135, 254, "fd00::102", asked), 100));
        assert_eq!(snooped(&mut world), [], "one that a router has passed on");
    }
}
