//! Access ports that are down.

use gateway_common::counters::{DropReason, PathCounter};

use crate::{
    packets::*,
    world::{From, Hook, NET, REMOTE_V4, Verdict, World},
};

/// As the plan has it where the carrier of `port` is gone.
fn unplug(world: &mut World, port: From) {
    let ifindex = world.binding(port, 0).ifindex;
    world.reprogram(|desired| {
        desired.down.insert(ifindex);
        desired.settings.ports_down = 1;
    });
}

#[test]
fn a_frame_for_a_station_behind_a_port_that_is_down_is_dropped_and_counted() {
    for hook in [Hook::Xdp, Hook::Tc] {
        let mut world = World::new();
        let packets = [(From::Uplink, tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))), (From::PortB, udp(HOST2, HOST1))];
        // Also where it was decided about a moment ago.
        for (from, packet) in &packets {
            assert_eq!(world.run(hook, *from, packet).verdict, Verdict::Redirect);
        }
        unplug(&mut world, From::PortA);
        for (from, packet) in &packets {
            world.run(hook, *from, packet).is_dropped(DropReason::PortDown);
        }
        // Others are not touched by it.
        let other = tunnelled(REMOTE_V4, NET, &udp(VM1, HOST2));
        assert_eq!(world.run(hook, From::Uplink, &other).verdict, Verdict::Redirect);
    }
}

#[test]
fn a_frame_to_all_leaves_out_the_port_that_is_down_and_counts_it() {
    let mut world = World::new();
    unplug(&mut world, From::PortA);
    let outcome = world.run(Hook::Tc, From::Uplink, &tunnelled(REMOTE_V4, NET, &udp(VM1, STRANGER)));
    assert_eq!(outcome.dropped(), [(DropReason::PortDown, 1)]);
    assert_eq!(outcome.counted(PathCounter::FloodCopies), 2);
}

#[test]
fn stations_learned_behind_a_port_that_goes_down_are_forgotten_at_once() {
    let mut world = World::new();
    world.run(Hook::Xdp, From::PortA, &tagged(&udp(STRANGER, VM1), 100));
    let elsewhere = gateway_common::net::MacAddr([2, 0xcc, 0, 0, 0, 10]);
    world.run(Hook::Xdp, From::PortB, &udp(elsewhere, VM1));
    let to_it = tunnelled(REMOTE_V4, NET, &udp(VM1, STRANGER));
    assert_eq!(world.run(Hook::Xdp, From::Uplink, &to_it).verdict, Verdict::Redirect);
    unplug(&mut world, From::PortA);
    assert!(world.mac(NET, STRANGER).is_none() && world.mac(NET, elsewhere).is_some());
    assert!(world.mac(NET, HOST1).is_some(), "a static MAC stays");
    // Nor is it cached: it may be anywhere now.
    assert_eq!(world.run(Hook::Xdp, From::Uplink, &to_it).counted(PathCounter::XdpToTc), 1);
}
