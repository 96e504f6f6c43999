//! What one VLAN or tunnel can take of what all share.

use gateway::datapath::op::Op;
use gateway_common::{
    budget::{Spent, of_binding},
    counters::PathCounter::{EventsLost, LearnBudget, Learned, MoveBudget, Moved, SnoopBudget},
    event::{LEARNED, SNOOPED},
    fdb::{self, FdbEntry, FdbKey, Target},
    net::MacAddr,
    segment::Segment,
};

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
        let segment = world.maps.programmed().unwrap().segments[&net];
        world.maps.change().write(&Op::PutSegment(net, Segment { learn_ceiling: u64::MAX, ..segment })).unwrap();
    }
    world
}

/// What is allowed at once, and a few more while it happens.
fn is_about(count: u64, what: Spent) -> bool {
    let at_once = what.rate().burst / what.rate().each;
    // A test may take some seconds, and gets so much more.
    (at_once..at_once * 4).contains(&count)
}

#[test]
fn a_vlan_that_forges_sources_is_learned_from_within_its_budget_and_others_all_the_while() {
    let mut world = roomy();
    let (mut learned, mut refused) = (0, 0);
    let mut number = 0;
    while refused == 0 {
        let outcome = world.run(Hook::Xdp, From::PortA, &tagged(&udp(station(number), VM1), 100));
        assert_eq!(outcome.verdict, Verdict::Redirect, "what is not learned is forwarded all the same");
        learned += outcome.counted(Learned);
        refused += outcome.counted(LearnBudget);
        number += 1;
        assert!(number < 30_000, "no budget has acted");
    }
    assert!(is_about(learned, Spent::Learn), "{learned} learned");
    assert_eq!(world.mac(NET, station(number - 1)), None);
    let other = world.run(Hook::Xdp, From::PortB, &tagged(&udp(station(99_999), VM1), 300));
    assert_eq!((other.counted(Learned), other.counted(LearnBudget)), (1, 0));
    let id = world.maps.programmed().unwrap().bindings[&world.binding(From::PortA, 100)].id;
    let budget = world.maps.budget(of_binding(id)).unwrap();
    assert_eq!(budget.refused[Spent::Learn as usize], 1, "the agent can tell which VLAN it was");
}

#[test]
fn a_station_that_moves_to_and_fro_is_followed_within_a_budget() {
    let mut world = roomy();
    let (mut moved, mut refused, mut steps) = (0, 0, 0);
    while refused == 0 {
        for (from, frame) in [(From::PortA, tagged(&udp(STRANGER, VM1), 100)), (From::PortB, udp(STRANGER, VM1))] {
            let outcome = world.run(Hook::Xdp, from, &frame);
            assert_eq!(outcome.verdict, Verdict::Redirect);
            moved += outcome.counted(Moved);
            refused += outcome.counted(MoveBudget);
        }
        steps += 1;
        assert!(steps < 20_000, "no budget has acted");
    }
    // Of both places together.
    assert!(is_about(moved / 2, Spent::Move), "{moved} moves");
}

#[test]
fn what_stations_say_of_themselves_is_told_within_a_budget_and_leaves_room_for_who_is_where() {
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
    assert!(of(SNOOPED) >= 1000, "{} told", of(SNOOPED));
}

#[test]
fn an_address_that_no_host_has_is_not_told() {
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
    let told: Vec<_> = world.events().into_iter().filter(|event| event.kind == SNOOPED).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn the_time_of_a_station_that_goes_on_sending_is_written_anew() {
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
    let (mut refused, mut number) = (0, 0);
    while refused == 0 {
        let inner = udp(station(number), MacAddr::BROADCAST);
        refused += world.run(Hook::Xdp, From::Uplink, &tunnelled(REMOTE_V4, LEARNING_NET, &inner)).counted(LearnBudget);
        number += 1;
        assert!(number < 30_000, "no budget has acted");
    }
    let host = world.run(Hook::Xdp, From::PortA, &tagged(&udp(station(99_999), VM1), 200));
    assert_eq!(host.counted(Learned), 1, "the VLAN of the same switch has its own");
}
