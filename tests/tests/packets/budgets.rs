//! Budgets: the share of one VLAN or tunnel in resources of all.

use std::time::Duration;

use gateway_base::clock;
use gateway_common::{
    budget::{Spent, of_binding, of_tunnel},
    counters::PathCounter::{EventsLost, LearnBudget, Learned, MoveBudget, Moved, SnoopBudget},
    event::{LEARNED, SNOOPED},
    fdb::{self, FdbEntry, FdbKey, Target},
    logical_switch::SwitchEntry,
    net::MacAddr,
};
use gateway_datapath::op::Op;

use crate::{
    packets::*,
    world::{From, Hook, LEARNING_NET, LONELY_NET, NET, REMOTE_V4, Verdict, World},
};

fn station(number: u32) -> MacAddr {
    let [_, a, b, c] = number.to_be_bytes();
    MacAddr([2, 0xdb, 0, a, b, c])
}

/// A world with room for whatever is learned.
fn roomy() -> World {
    let mut world = World::with_fdb(32_768);
    for net in [NET, LEARNING_NET, LONELY_NET] {
        let switch = world.maps.programmed().unwrap().switches[&net];
        world.maps.change().write(&Op::PutSwitch(net, SwitchEntry { learn_ceiling: u64::MAX, ..switch })).unwrap();
    }
    world
}

/// Has a budget of the binding or tunnel at `place` used up for an hour: no machine is so slow that it fills meanwhile.
fn use_up(world: &mut World, place: u32, what: Spent) {
    let mut budget = world.maps.budget(place).unwrap();
    let ahead = Duration::from_nanos(what.rate().burst) + Duration::from_secs(3600);
    budget.used[what as usize] = (clock::monotonic() + ahead).as_nanos() as u64;
    world.maps.set_budget(place, &budget).unwrap();
}

fn budget_of(world: &World, from: From, vlan: u16) -> u32 {
    of_binding(world.maps.programmed().unwrap().bindings[&world.binding(from, vlan)].id)
}

#[test]
fn a_vlan_that_forges_sources_is_learned_from_within_its_budget_and_others_all_the_while() {
    let mut world = roomy();
    let place = budget_of(&world, From::PortA, 100);
    let forged = |number| tagged(&udp(station(number), VM1), 100);
    assert_eq!(world.run(Hook::Xdp, From::PortA, &forged(1)).counted(Learned), 1);
    assert_ne!(world.maps.budget(place).unwrap().used[Spent::Learn as usize], 0, "a MAC costs its time");
    use_up(&mut world, place, Spent::Learn);
    let outcome = world.run(Hook::Xdp, From::PortA, &forged(2));
    assert_eq!(outcome.verdict, Verdict::Redirect, "what is not learned is forwarded all the same");
    assert_eq!((outcome.counted(Learned), outcome.counted(LearnBudget)), (0, 1));
    assert_eq!(world.mac(NET, station(2)), None);
    let other = world.run(Hook::Xdp, From::PortB, &tagged(&udp(station(3), VM1), 300));
    assert_eq!((other.counted(Learned), other.counted(LearnBudget)), (1, 0));
    let refused = world.maps.budget(place).unwrap().refused;
    assert_eq!(refused[Spent::Learn as usize], 1, "the agent knows which VLAN it was");
}

#[test]
fn a_station_that_moves_to_and_fro_is_followed_within_a_budget() {
    let mut world = roomy();
    let (there, back) = (tagged(&udp(STRANGER, VM1), 100), udp(STRANGER, VM1));
    world.run(Hook::Xdp, From::PortA, &there);
    let moves = world.run(Hook::Xdp, From::PortB, &back);
    assert_eq!((moves.counted(Moved), moves.counted(MoveBudget)), (1, 0));
    let place = budget_of(&world, From::PortA, 100);
    use_up(&mut world, place, Spent::Move);
    let stays = world.run(Hook::Xdp, From::PortA, &there);
    assert_eq!((stays.verdict, stays.counted(Moved), stays.counted(MoveBudget)), (Verdict::Redirect, 0, 1));
    let port = world.binding(From::PortB, 0).ifindex;
    assert_eq!(world.mac(NET, STRANGER).unwrap().to.out, port, "it is still where it was");
}

#[test]
fn announced_addresses_are_reported_within_a_budget_and_leave_room_for_learn_events() {
    let mut world = roomy();
    world.events();
    let vlans = [(From::PortA, 100), (From::PortA, 200), (From::PortB, 0), (From::PortB, 300), (From::PortB, 400)];
    for (place, (from, vlan)) in vlans.into_iter().enumerate() {
        let place = place as u32;
        let (mut refused, mut number) = (0, 0u32);
        while refused == 0 {
            let [_, _, high, low] = number.to_be_bytes();
            let sender = format!("10.{place}.{high}.{low}");
            let host = station(1_000_000 + place);
            let frame = arp_about(host, HOST1, etherparse::ArpOperation::REPLY, &sender, "10.0.0.1");
            let frame = if vlan == 0 { frame } else { tagged(&frame, vlan) };
            refused += world.run(Hook::Xdp, from, &frame).counted(SnoopBudget);
            number += 1;
            assert!(number < 30_000, "no budget has acted on VLAN {vlan}");
        }
    }
    // Nobody has read any of it; yet there is room for a thousand stations more.
    let mut lost = 0;
    for number in 0..1000 {
        lost +=
            world.run(Hook::Xdp, From::PortA, &tagged(&udp(station(2_000_000 + number), VM1), 100)).counted(EventsLost);
    }
    assert_eq!(lost, 0);
    let events = world.events();
    let of = |kind| events.iter().filter(|event| event.kind == kind).count();
    assert!(of(LEARNED) >= 1000, "{} learned", of(LEARNED));
    assert!(of(SNOOPED) >= 1000, "{} reported", of(SNOOPED));
}

#[test]
fn an_address_that_no_host_has_is_not_reported() {
    let mut world = World::new();
    let addresses = ["255.255.255.255", "127.0.0.1", "224.0.0.5", "0.0.0.7", "240.1.1.1"];
    for hook in [Hook::Xdp, Hook::Tc] {
        for sender in addresses {
            let claim = arp_about(station(300), HOST1, etherparse::ArpOperation::REPLY, sender, "10.0.0.1");
            world.run(hook, From::PortA, &tagged(&claim, 100));
        }
        for target in ["::", "::1", "ff02::1", "::ffff:10.0.0.7"] {
            let claim = neighbour(station(300), HOST1, 136, 255, "fe80::1", target);
            world.run(hook, From::PortA, &tagged(&claim, 100));
        }
    }
    let reported: Vec<_> = world.events().into_iter().filter(|event| event.kind == SNOOPED).collect();
    assert!(reported.is_empty(), "{reported:?}");
}

#[test]
fn the_time_of_a_station_that_goes_on_sending_is_renewed() {
    for hook in [Hook::Xdp, Hook::Tc] {
        let mut world = World::new();
        let binding = world.binding(From::PortA, 100);
        let programmed = world.maps.programmed().unwrap().bindings[&binding];
        let to = Target::local(binding.ifindex, binding.vlan, programmed.id);
        // Long ago: a second after the machine was started.
        let long_ago = FdbEntry { to, seen: 1_000_000_000, origin: fdb::LEARNED, flags: programmed.flags };
        world.maps.change().write(&Op::PutMac(FdbKey::new(NET, STRANGER.0), long_ago)).unwrap();
        world.run(hook, From::PortA, &tagged(&udp(STRANGER, VM1), 100));
        let now = world.mac(NET, STRANGER).unwrap();
        assert!(now.seen > long_ago.seen, "{hook:?}");
        assert_eq!((now.to, now.origin, now.flags), (long_ago.to, long_ago.origin, long_ago.flags));
        // And not again at once: the time is of the first of these.
        world.run(hook, From::PortA, &tagged(&udp(STRANGER, HOST2), 100));
        assert!(world.mac(NET, STRANGER).unwrap().seen.abs_diff(now.seen) <= 2_000_000_000);
    }
}

#[test]
fn a_tunnel_has_a_budget_too() {
    let mut world = roomy();
    let sent = |number| tunnelled(REMOTE_V4, LEARNING_NET, &udp(station(number), MacAddr::BROADCAST));
    assert_eq!(world.run(Hook::Xdp, From::Uplink, &sent(1)).counted(Learned), 1);
    let tunnel = world.maps.programmed().unwrap().remote_vteps[&world.tunnel(REMOTE_V4).0];
    use_up(&mut world, of_tunnel(tunnel), Spent::Learn);
    let outcome = world.run(Hook::Xdp, From::Uplink, &sent(2));
    assert_eq!((outcome.counted(Learned), outcome.counted(LearnBudget)), (0, 1));
    let host = world.run(Hook::Xdp, From::PortA, &tagged(&udp(station(3), VM1), 200));
    assert_eq!(host.counted(Learned), 1, "the VLAN of the same switch has its own");
}
