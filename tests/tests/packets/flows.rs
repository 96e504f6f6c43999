//! The flow cache at XDP: the fast path must come to the same as the slow path, and entries must end with what they
//! rest on.

use etherparse::ArpOperation;
use gateway_common::{
    counters::{DropReason, PathCounter},
    fdb::FdbKey,
    net::MacAddr,
    tunnel::{LEASE_FOREVER, NextHop},
};
use gateway_datapath::{Place, op::Op};

use crate::{
    packets::*,
    world::{From, Hook, LEARNING_NET, NET, Outcome, REMOTE_TAGGED, REMOTE_V4, REMOTE_V6, Verdict, World},
};

/// Counters that have grown, and by how much.
pub(crate) type Counts<T> = Vec<(T, u64)>;

/// Verdict, bytes and counters that both paths must share. The slow path also counts what it learns, which is left out.
pub(crate) fn observed(outcome: &Outcome) -> (Verdict, &[u8], Counts<DropReason>, Counts<PathCounter>) {
    const OF_LEARNING: [PathCounter; 2] = [PathCounter::Learned, PathCounter::Moved];
    let paths = PathCounter::ALL.iter().filter(|path| !OF_LEARNING.contains(path));
    let paths = paths.map(|path| (*path, outcome.counted(*path))).filter(|(_, count)| *count > 0).collect();
    (outcome.verdict, &outcome.bytes, outcome.dropped(), paths)
}

/// Invalidates the flow cache, by writing what is there already.
pub(crate) fn forget(world: &mut World) {
    let settings = world.maps.programmed().unwrap().settings;
    world.maps.change().write(&Op::PutSettings(settings)).unwrap();
}

fn run(world: &mut World, from: From, packet: &[u8]) -> Outcome {
    world.run(Hook::Xdp, from, packet)
}

/// Puts a tag on the underlay's side.
fn on_tagged_underlay(packet: &[u8]) -> Vec<u8> {
    tagged(packet, 77)
}

/// One packet of each kind.
fn kinds() -> Vec<(From, Vec<u8>)> {
    vec![
        (From::Uplink, tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))),
        (From::Uplink, tunnelled(REMOTE_V4, NET, &tcp6(VM1, HOST2))),
        (From::Uplink, on_tagged_underlay(&tunnelled(REMOTE_TAGGED, NET, &udp(VM_TAGGED, HOST3)))),
        (From::Uplink, tunnelled(REMOTE_V6, NET, &udp(VM6, HOST1))),
        (From::PortA, tagged(&udp(HOST1, VM1), 100)),
        (From::PortA, tagged(&tcp6(HOST1, VM6), 100)),
        (From::PortA, tagged(&udp(HOST1, VM_TAGGED), 100)),
        (From::PortA, tagged(&udp(HOST1, HOST3), 100)),
        (From::PortB, udp(HOST2, VM1)),
        (From::PortB, udp(HOST2, HOST1)),
    ]
}

/// A packet with one byte different, cut off anywhere, or with something behind it.
fn variations(packet: &[u8]) -> Vec<Vec<u8>> {
    let headers = packet.len().min(104);
    let bytes = (0..headers).flat_map(|at| [1 << (at % 8), 0xff].map(|bits| (at, bits)));
    let altered = bytes.map(|(at, bits)| {
        let mut packet = packet.to_vec();
        packet[at] ^= bits;
        packet
    });
    let shorter = (14..packet.len()).step_by(3).map(|len| packet[..len].to_vec());
    let longer = [1, 4, 60].map(|surplus| [packet, &vec![0xa5; surplus]].concat());
    altered.chain(shorter).chain(longer).collect()
}

#[test]
fn a_cached_flow_goes_as_its_first_frame_did() {
    let mut world = World::new();
    for (from, packet) in kinds() {
        let first = run(&mut world, from, &packet);
        assert_eq!(first.verdict, Verdict::Redirect);
        let later = run(&mut world, from, &packet);
        assert_eq!(observed(&later), observed(&first));
    }
}

#[test]
fn a_frame_that_resembles_a_cached_flow_is_decided_as_without_a_cache() {
    let mut world = World::new();
    for (from, packet) in kinds() {
        for variation in variations(&packet) {
            forget(&mut world);
            let alone = run(&mut world, from, &variation);
            run(&mut world, from, &packet);
            let after = run(&mut world, from, &variation);
            assert_eq!(observed(&after), observed(&alone), "{from:?} {variation:02x?}");
        }
    }
}

#[test]
fn traffic_of_cached_flows_is_counted_for_tunnel_and_binding() {
    let mut world = World::new();
    let (decap, encap) = (tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1)), tagged(&udp(HOST1, VM1), 100));
    for _ in 0..3 {
        run(&mut world, From::Uplink, &decap);
        run(&mut world, From::PortA, &encap);
    }
    let programmed = world.maps.programmed().unwrap();
    let len = udp(VM1, HOST1).len() as u64;
    let binding = world.binding(From::PortA, 100);
    let ends = world.tunnel(REMOTE_V4).0;
    for traffic in [
        world.maps.binding_traffic(programmed.bindings[&binding].id).unwrap(),
        world.maps.tunnel_traffic(programmed.remote_vteps[&ends]).unwrap(),
    ] {
        assert_eq!((traffic.rx_packets, traffic.rx_bytes), (3, 3 * len));
        assert_eq!((traffic.tx_packets, traffic.tx_bytes), (3, 3 * len));
    }
}

#[test]
fn a_lease_that_ends_ends_cached_flows() {
    let mut world = World::new();
    for (from, packet) in kinds() {
        run(&mut world, from, &packet);
        world.maps.set_lease(0, 1).unwrap();
        run(&mut world, from, &packet).is_dropped(DropReason::LeaseExpired);
        world.maps.set_lease(0, LEASE_FOREVER).unwrap();
        assert_eq!(run(&mut world, from, &packet).verdict, Verdict::Redirect);
    }
}

#[test]
fn a_static_mac_elsewhere_takes_effect_at_once() {
    let mut world = World::new();
    let frame = tagged(&udp(HOST1, VM1), 100);
    assert_eq!(run(&mut world, From::PortA, &frame).counted(PathCounter::XdpEncap), 1);
    let port_b = world.binding(From::PortB, 0);
    world.reprogram(|desired| {
        desired.macs.insert(FdbKey::new(NET, VM1.0), Place::Local(port_b));
    });
    assert_eq!(run(&mut world, From::PortA, &frame).counted(PathCounter::XdpLocal), 1);
    world.reprogram(|desired| {
        desired.macs.remove(&FdbKey::new(NET, VM1.0));
    });
    assert_eq!(run(&mut world, From::PortA, &frame).counted(PathCounter::XdpToTc), 1);
}

#[test]
fn a_sender_with_a_static_mac_elsewhere_is_refused_at_once() {
    let mut world = World::new();
    let frame = tagged(&udp(STRANGER, VM1), 100);
    for _ in 0..2 {
        assert_eq!(run(&mut world, From::PortA, &frame).verdict, Verdict::Redirect);
    }
    world.reprogram(|desired| {
        desired.macs.insert(FdbKey::new(NET, STRANGER.0), World::remote(REMOTE_V4, NET));
    });
    run(&mut world, From::PortA, &frame).is_dropped(DropReason::SourceElsewhere);
}

#[test]
fn a_binding_that_is_taken_away_takes_its_flows_along() {
    let mut world = World::new();
    let (inward, outward) = (tagged(&udp(HOST1, VM1), 100), tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1)));
    run(&mut world, From::PortA, &inward);
    run(&mut world, From::Uplink, &outward);
    let binding = world.binding(From::PortA, 100);
    world.reprogram(|desired| {
        desired.bindings.remove(&binding);
    });
    run(&mut world, From::PortA, &inward).is_passed(&inward);
    assert_ne!(run(&mut world, From::Uplink, &outward).verdict, Verdict::Redirect);
}

#[test]
fn a_remote_that_is_no_longer_known_is_not_listened_to() {
    let mut world = World::new();
    let packet = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1));
    run(&mut world, From::Uplink, &packet);
    let (ends, _) = world.tunnel(REMOTE_V4);
    world.reprogram(|desired| {
        desired.tunnels.remove(&ends);
    });
    run(&mut world, From::Uplink, &packet).is_dropped(DropReason::UnknownVtep);
}

#[test]
fn a_next_hop_that_is_lost_is_not_sent_to() {
    let mut world = World::new();
    let frame = tagged(&udp(HOST1, VM1), 100);
    run(&mut world, From::PortA, &frame);
    let (ends, plan) = world.tunnel(REMOTE_V4);
    world.reprogram(|desired| {
        let hop = NextHop::UNRESOLVED;
        desired.tunnels.insert(ends, gateway_datapath::desired::TunnelPlan { hop, ..plan });
    });
    run(&mut world, From::PortA, &frame).is_dropped(DropReason::TunnelUnresolved);
}

#[test]
fn a_station_that_moves_is_sent_to_where_it_is() {
    let mut world = World::new();
    let to_station = tunnelled(REMOTE_V4, NET, &udp(VM1, STRANGER));
    let at_port_a = tagged(&udp(STRANGER, VM1), 100);
    run(&mut world, From::PortA, &at_port_a);
    for _ in 0..2 {
        assert_eq!(run(&mut world, From::Uplink, &to_station).bytes, tagged(&udp(VM1, STRANGER), 100));
    }
    let moved = run(&mut world, From::PortB, &udp(STRANGER, VM1));
    assert_eq!(moved.counted(PathCounter::Moved), 1);
    assert_eq!(run(&mut world, From::Uplink, &to_station).bytes, udp(VM1, STRANGER));
    // And it may move back, though its frames came from there a moment ago.
    assert_eq!(run(&mut world, From::PortA, &at_port_a).counted(PathCounter::Moved), 1);
}

#[test]
fn a_sender_behind_a_tunnel_that_moves_to_another_is_followed() {
    let mut world = World::new();
    let host = MacAddr([2, 0xdd, 0, 0, 0, 1]);
    run(&mut world, From::PortA, &tagged(&udp(host, MacAddr::BROADCAST), 200));
    let from = |remote| tunnelled(remote, LEARNING_NET, &udp(STRANGER, host));
    for remote in [REMOTE_V4, REMOTE_TAGGED, REMOTE_V4] {
        for _ in 0..2 {
            assert_eq!(run(&mut world, From::Uplink, &from(remote)).verdict, Verdict::Redirect);
        }
        let id = world.maps.programmed().unwrap().remote_vteps[&world.tunnel(remote).0];
        assert_eq!(world.mac(LEARNING_NET, STRANGER).unwrap().to.out, id);
    }
}

#[test]
fn an_announced_address_is_snooped_in_cached_flows() {
    let mut world = World::new();
    run(&mut world, From::PortA, &tagged(&tcp6(HOST1, VM1), 100));
    run(&mut world, From::PortA, &tagged(&udp(HOST1, VM1), 100));
    world.events();
    let reply = arp_about(HOST1, VM1, ArpOperation::REPLY, "10.0.0.77", "10.0.0.11");
    run(&mut world, From::PortA, &tagged(&reply, 100));
    run(&mut world, From::PortA, &tagged(&neighbour(HOST1, VM1, 136, 255, "fd00::77", "fd00::77"), 100));
    assert_eq!(world.events().len(), 2);
}

#[test]
fn a_frame_longer_than_fits_every_port_is_looked_at() {
    let mut world = World::new();
    let packet = |payload| tunnelled(REMOTE_V4, NET, &udp_of(VM1, HOST1, payload));
    run(&mut world, From::Uplink, &packet(40));
    assert_eq!(run(&mut world, From::Uplink, &packet(1400)).verdict, Verdict::Redirect);
    world.set_mtu(From::PortA, 1300);
    run(&mut world, From::Uplink, &packet(1400)).is_dropped(DropReason::TooBig);
    // What fits is still sent without a look.
    assert_eq!(run(&mut world, From::Uplink, &packet(40)).verdict, Verdict::Redirect);
}
