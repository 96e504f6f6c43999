//! Replication, by what really leaves the interfaces.

use gateway_common::{
    counters::{DropReason, PathCounter},
    net::MacAddr,
};
use lab::frame::Frame;

use crate::{
    encap::opened,
    packets::*,
    world::{From, Hook, NET, Outcome, REMOTE_LOST, REMOTE_TAGGED, REMOTE_V4, REMOTE_V6, Verdict, World},
};

#[track_caller]
fn is_flooded(outcome: &Outcome, copies: u64) {
    // The original is used up; its copies are on their way.
    assert_eq!((outcome.verdict, outcome.dropped()), (Verdict::Drop, vec![]));
    assert_eq!((outcome.counted(PathCounter::TcFlood), outcome.counted(PathCounter::FloodCopies)), (1, copies));
}

/// Frames that left an access port: tag and frame, without the padding that short frames may have.
fn out(world: &World, port: From, like: &[u8]) -> Vec<(Option<u16>, Vec<u8>)> {
    let frames = world.sent(port).into_iter().map(|frame| {
        let plain = Frame { vlan: None, ..frame.clone() }.bytes();
        (frame.vlan, plain[..like.len().min(plain.len())].to_vec())
    });
    let mut frames: Vec<_> = frames.collect();
    frames.sort();
    frames
}

#[test]
fn broadcast_from_a_vlan_goes_to_every_other_member_and_to_every_remote() {
    let mut world = World::new();
    for inner in
        [arp(STRANGER, MacAddr::BROADCAST), udp(STRANGER, MULTICAST), udp(STRANGER, MacAddr([2, 9, 9, 9, 9, 9]))]
    {
        is_flooded(&world.run(Hook::Tc, From::PortA, &tagged(&inner, 100)), 5);
        assert_eq!(out(&world, From::PortA, &inner), vec![], "not back to where it came from");
        assert_eq!(out(&world, From::PortB, &inner), vec![(None, inner.clone()), (Some(300), inner.clone())]);
        let mut tunnelled = world.sent(From::Uplink);
        assert_eq!(tunnelled.len(), 3);
        tunnelled.sort_by_key(|frame| (frame.ethertype, frame.vlan));
        let bytes: Vec<Vec<u8>> = tunnelled.iter().map(Frame::bytes).collect();
        assert_eq!(opened(&bytes[0], REMOTE_V4, NET).1, inner);
        assert_eq!(opened(&bytes[1], REMOTE_TAGGED, NET).1, inner);
        assert_eq!(opened(&bytes[2], REMOTE_V6, NET).1, inner);
    }
}

#[test]
fn broadcast_from_a_tunnel_goes_to_the_vlans_and_to_no_tunnel() {
    let mut world = World::new();
    for (remote, vm) in [(REMOTE_V4, VM1), (REMOTE_V6, VM6)] {
        let inner = arp(vm, MacAddr::BROADCAST);
        is_flooded(&world.run(Hook::Tc, From::Uplink, &tunnelled(remote, NET, &inner)), 3);
        assert_eq!(out(&world, From::PortA, &inner), vec![(Some(100), inner.clone())]);
        assert_eq!(out(&world, From::PortB, &inner), vec![(None, inner.clone()), (Some(300), inner.clone())]);
        assert_eq!(world.sent(From::Uplink), vec![], "split horizon");
    }
}

#[test]
fn xdp_leaves_what_is_to_be_replicated_to_tc_untouched() {
    let mut world = World::new();
    for (from, packet) in [
        (From::PortA, tagged(&arp(STRANGER, MacAddr::BROADCAST), 100)),
        (From::Uplink, tunnelled(REMOTE_V4, NET, &arp(VM1, MacAddr::BROADCAST))),
    ] {
        let outcome = world.run(Hook::Xdp, from, &packet);
        outcome.is_passed(&packet);
        assert_eq!(outcome.counted(PathCounter::XdpToTc), 1);
    }
}

#[test]
fn a_tagged_frame_from_a_tunnel_is_flooded_only_into_its_own_vlan() {
    let mut world = World::new();
    let inner = arp(VM1, MacAddr::BROADCAST);
    let outcome = world.run(Hook::Tc, From::Uplink, &tunnelled(REMOTE_V4, NET, &tagged(&inner, 300)));
    assert_eq!(outcome.dropped(), vec![(DropReason::InnerTagged, 2)]);
    assert_eq!(out(&world, From::PortB, &inner), vec![(Some(300), inner.clone())]);
    assert_eq!(out(&world, From::PortA, &inner), vec![]);
}

#[test]
fn a_copy_that_cannot_be_sent_is_counted_and_the_others_are_sent() {
    let mut world = World::new();
    world.reprogram(|desired| {
        desired.flood.get_mut(&NET).unwrap().insert(World::remote(REMOTE_LOST, NET));
    });
    let inner = arp(STRANGER, MacAddr::BROADCAST);
    let outcome = world.run(Hook::Tc, From::PortA, &tagged(&inner, 100));
    assert_eq!(outcome.dropped(), vec![(DropReason::TunnelUnresolved, 1)]);
    assert_eq!(world.sent(From::Uplink).len(), 3);
    assert_eq!(world.sent(From::PortB).len(), 2);
}

#[test]
fn an_interface_that_is_gone_fails_its_copies_only() {
    let mut world = World::new();
    world.reprogram(|desired| {
        let gone = gateway_common::binding::BindingKey { ifindex: 9999, vlan: 5, reserved: 0 };
        let plan = desired.bindings[&desired.bindings.keys().next().copied().unwrap()];
        desired.bindings.insert(gone, plan);
        desired.flood.get_mut(&NET).unwrap().insert(gateway_datapath::Place::Local(gone));
    });
    let inner = arp(STRANGER, MacAddr::BROADCAST);
    let outcome = world.run(Hook::Tc, From::PortA, &tagged(&inner, 100));
    assert_eq!(outcome.dropped(), vec![(DropReason::FloodFailed, 1)]);
    assert_eq!(world.sent(From::PortB).len(), 2);
}

#[test]
fn a_copy_too_long_for_the_underlay_is_counted_for_each_tunnel() {
    let mut world = World::new();
    let inner = udp_of(STRANGER, MacAddr::BROADCAST, crate::world::MAX_FRAME);
    let outcome = world.run(Hook::Tc, From::PortA, &tagged(&inner, 100));
    assert_eq!(outcome.dropped(), vec![(DropReason::TooBig, 3)]);
    assert_eq!(world.sent(From::PortB).len(), 2);
    assert_eq!(world.sent(From::Uplink), vec![]);
}
