//! Expiry of leases and cache entries, on the slow path and on the fast path.

use gateway_common::{counters::DropReason, net::MacAddr, tunnel::LEASE_FOREVER};
use lab::wait::{SOON, wait_for};

use crate::{
    packets::*,
    world::{From, Hook, NET, Outcome, REMOTE_V4, Verdict, World},
};

/// Frames of cached flows in both directions.
fn flows(world: &mut World) -> [(From, Vec<u8>); 2] {
    let flows =
        [(From::PortA, tagged(&udp(HOST1, VM1), 100)), (From::Uplink, tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1)))];
    for (from, packet) in &flows {
        assert_eq!(world.run(Hook::Xdp, *from, packet).verdict, Verdict::Redirect);
    }
    flows
}

fn now() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE).unwrap();
    time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned()
}

#[test]
fn a_lease_that_runs_out_ends_cached_flows_at_its_time() {
    let mut world = World::new();
    for (from, packet) in flows(&mut world) {
        world.maps.set_lease(0, now() + 100_000_000).unwrap();
        let mut last: Option<Outcome> = None;
        wait_for("the lease to run out", SOON, || {
            let outcome = world.run(Hook::Xdp, from, &packet);
            let over = outcome.verdict == Verdict::Drop;
            last = Some(outcome);
            over
        })
        .unwrap();
        last.unwrap().is_dropped(DropReason::LeaseExpired);
        world.maps.set_lease(0, LEASE_FOREVER).unwrap();
    }
}

#[test]
fn a_station_that_sends_in_a_cached_flow_is_refreshed() {
    let mut world = World::new();
    let station = MacAddr([2, 0xcc, 7, 7, 7, 7]);
    let packet = tagged(&udp(station, VM1), 100);
    let seen = |world: &mut World| {
        assert_eq!(world.run(Hook::Xdp, From::PortA, &packet).verdict, Verdict::Redirect);
        world.mac(NET, station).unwrap().seen
    };
    let mut last = seen(&mut world);
    for _ in 0..2 {
        wait_for("its time to be written", SOON, || seen(&mut world) > last).unwrap();
        last = seen(&mut world);
    }
}
