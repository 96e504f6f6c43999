//! Single facts about changes.

use std::net::{IpAddr, Ipv4Addr};

use gateway_common::tunnel::Addr;

use super::*;
use crate::fixtures::{Build, bring, changes, ends, hop, key, local, mac, one_switch, programmed, remote, view};

/// Returns the position of the first operation that `which` picks.
fn position(ops: &[Op], which: impl Fn(&Op) -> bool) -> usize {
    ops.iter().position(which).unwrap_or_else(|| panic!("no such operation among {ops:?}"))
}

fn count(ops: &[Op], which: impl Fn(&Op) -> bool) -> usize {
    ops.iter().filter(|op| which(op)).count()
}

fn forgotten(ops: &[Op]) -> BTreeSet<Forget> {
    match ops.last() {
        Some(Op::Forget(whose)) => whose.clone(),
        _ => BTreeSet::new(),
    }
}

fn macs(many: u32) -> Desired {
    (0..many).fold(one_switch(), |desired, number| desired.mac(5001, number, remote(1, 5001)))
}

// === how much ===

#[test]
fn nothing_to_do_is_no_operation() {
    assert_eq!(changes(&one_switch(), &programmed(&one_switch())), Changes::default());
}

#[test]
fn a_change_of_some_macs_among_100_000_costs_one_operation_each() {
    let desired = macs(100_000);
    let programmed = programmed(&desired);
    let mut changed = desired.clone();
    for number in 0..7 {
        changed.macs.insert(mac(5001, 50_000 + number), local(11, 100));
    }
    for number in 0..5 {
        changed.macs.remove(&mac(5001, 70_000 + number));
    }
    changed = changed.mac(5001, 200_000, remote(1, 5001));
    assert_eq!(changes(&changed, &programmed).ops.len(), 7 + 5 + 1);
}

#[test]
fn a_new_next_hop_costs_one_operation_whatever_is_behind_the_tunnel() {
    let desired = macs(1000);
    let ops = changes(&desired.clone().tunnel(1, 3), &programmed(&desired)).ops;
    assert!(matches!(ops[..], [Op::PutTunnel(0, _)]), "{ops:?}");
}

// === in which order ===

#[test]
fn new_things_come_before_what_refers_to_them() {
    let ops = changes(&one_switch(), &Programmed::default()).ops;
    let order = [
        position(&ops, |op| matches!(op, Op::ResetTunnelStats(_))),
        position(&ops, |op| matches!(op, Op::PutTunnel(..))),
        position(&ops, |op| matches!(op, Op::PutRemoteVtep(..))),
        position(&ops, |op| matches!(op, Op::PutFlood(..))),
        position(&ops, |op| matches!(op, Op::PutSwitch(..))),
        position(&ops, |op| matches!(op, Op::PutBinding(..))),
        position(&ops, |op| matches!(op, Op::PutMac(..))),
    ];
    assert!(order.is_sorted(), "{ops:?}");
}

#[test]
fn old_things_go_after_what_refers_to_them() {
    let ops = changes(&Desired::default(), &programmed(&one_switch())).ops;
    let order = [
        position(&ops, |op| matches!(op, Op::DelMac(_))),
        position(&ops, |op| matches!(op, Op::DelFlood(_))),
        position(&ops, |op| matches!(op, Op::DelBinding(_))),
        position(&ops, |op| matches!(op, Op::DelSwitch(_))),
        position(&ops, |op| matches!(op, Op::DelRemoteVtep(..))),
        position(&ops, |op| matches!(op, Op::Forget(_))),
    ];
    assert!(order.is_sorted(), "{ops:?}");
}

#[test]
fn a_mac_is_on_its_new_tunnel_before_the_old_one_goes() {
    let to = Desired::default().switch(5001).bind(5001, 11, 100).tunnel(2, 2).flood(5001, 2);
    let to = to.mac(5001, 2, remote(2, 5001));
    let ops = changes(&to, &programmed(&one_switch())).ops;
    let order = [
        position(&ops, |op| matches!(op, Op::PutTunnel(1, _))),
        position(&ops, |op| matches!(op, Op::PutMac(..))),
        position(&ops, |op| matches!(op, Op::DelRemoteVtep(..))),
    ];
    assert!(order.is_sorted(), "{ops:?}");
}

// === tunnels ===

#[test]
fn a_next_hop_that_changes_fills_the_idle_bank_and_turns_to_it() {
    let mut programmed = programmed(&one_switch());
    bring(&mut programmed, &one_switch().tunnel(1, 3));
    assert_eq!(programmed.tunnels[&0], Tunnel { bank: 1, lease: 0, next_hop: [hop(2), hop(3)] });
    bring(&mut programmed, &one_switch().tunnel(1, 0));
    assert_eq!(programmed.tunnels[&0], Tunnel { bank: 0, lease: 0, next_hop: [hop(0), hop(3)] });
}

#[test]
fn a_lease_that_changes_leaves_the_banks_alone() {
    let mut desired = one_switch();
    desired.tunnels.insert(ends(1), TunnelPlan { hop: hop(2), lease: 1 });
    let ops = changes(&desired, &programmed(&one_switch())).ops;
    assert_eq!(ops, [Op::PutTunnel(0, Box::new(Tunnel { bank: 0, lease: 1, next_hop: [hop(2), hop(0)] }))]);
}

#[test]
fn a_freed_tunnel_number_waits_for_the_next_change() {
    let mut programmed = programmed(&one_switch());
    let second = Desired::default().tunnel(2, 2);
    bring(&mut programmed, &second);
    assert_eq!(programmed.remote_vteps, [(ends(2), 1)].into());
    bring(&mut programmed, &second.tunnel(3, 2));
    assert_eq!(programmed.remote_vteps, [(ends(2), 1), (ends(3), 0)].into());
}

#[test]
fn the_counters_of_a_number_are_zeroed_before_it_is_given_out() {
    let ops = changes(&one_switch(), &Programmed::default()).ops;
    assert!(ops.contains(&Op::ResetTunnelStats(0)) && ops.contains(&Op::ResetBindingStats(0)), "{ops:?}");
}

// === what was learned ===

#[test]
fn a_binding_that_moves_to_another_switch_forgets_what_it_learned() {
    let from = Desired::default().switch(1).switch(2).bind(1, 11, 100);
    let to = Desired::default().switch(1).switch(2).bind(2, 11, 100);
    let ops = changes(&to, &programmed(&from)).ops;
    assert_eq!(forgotten(&ops), [Forget::Binding(key(11, 100))].into());
}

#[test]
fn a_binding_whose_lease_changes_forgets_the_macs_that_carry_the_old_one() {
    let mut to = one_switch();
    to.bindings.entry(key(11, 100)).and_modify(|plan| plan.lease = 1);
    let ops = changes(&to, &programmed(&one_switch())).ops;
    assert!(matches!(ops[..], [Op::PutBinding(..), Op::PutMac(..), Op::Forget(_)]), "{ops:?}");
    assert_eq!(forgotten(&ops), [Forget::Binding(key(11, 100))].into());
}

#[test]
fn one_walk_forgets_for_everything_that_went() {
    let ops = changes(&Desired::default(), &programmed(&one_switch())).ops;
    let all = [Forget::Switch(5001), Forget::Binding(key(11, 100)), Forget::Tunnel(0)];
    assert_eq!(count(&ops, |op| matches!(op, Op::Forget(_))), 1);
    assert_eq!(forgotten(&ops), all.into());
}

#[test]
fn a_switch_that_stops_learning_from_tunnels_forgets_what_it_learned() {
    let learning = |learn_remote| {
        let mut desired = one_switch();
        desired.switches.entry(5001).and_modify(|plan| plan.learn_remote = learn_remote);
        desired
    };
    let stop = changes(&learning(false), &programmed(&learning(true))).ops;
    assert_eq!(forgotten(&stop), [Forget::Switch(5001)].into());
    let start = changes(&learning(true), &programmed(&learning(false))).ops;
    assert_eq!(forgotten(&start), BTreeSet::new());
}

#[test]
fn forgetting_that_failed_is_tried_again() {
    let mut programmed = programmed(&one_switch());
    let ops = changes(&Desired::default(), &programmed).ops;
    let (forget, rest) = ops.split_last().unwrap();
    rest.iter().for_each(|op| programmed.note(op));
    assert_eq!(changes(&Desired::default(), &programmed).ops, std::slice::from_ref(forget));
    programmed.note(forget);
    assert_eq!(changes(&Desired::default(), &programmed).ops, []);
}

#[test]
fn a_tunnel_number_is_not_given_out_while_learned_macs_may_refer_to_it() {
    let mut programmed = programmed(&one_switch());
    let ops = changes(&Desired::default(), &programmed).ops;
    ops.iter().filter(|op| !matches!(op, Op::Forget(_))).for_each(|op| programmed.note(op));
    bring(&mut programmed, &Desired::default().tunnel(2, 2));
    assert_eq!(programmed.remote_vteps, [(ends(2), 1)].into());
}

// === flood lists ===

#[test]
fn a_member_that_replaces_another_takes_its_slot() {
    let to = one_switch().tunnel(2, 2);
    let mut to = to.flood(5001, 2);
    assert!(to.flood.get_mut(&5001).unwrap().remove(&remote(1, 5001)));
    let ops = changes(&to, &programmed(&one_switch())).ops;
    assert!(ops.contains(&Op::PutFlood(FloodKey { vni: 5001, slot: 1 }, Target::remote(1, 5001))), "{ops:?}");
    assert_eq!(count(&ops, |op| matches!(op, Op::DelFlood(_) | Op::PutSwitch(..))), 0, "{ops:?}");
}

#[test]
fn a_list_that_loses_its_last_member_is_shortened_before_the_slot_is_emptied() {
    let mut to = one_switch();
    assert!(to.flood.get_mut(&5001).unwrap().remove(&remote(1, 5001)));
    let ops = changes(&to, &programmed(&one_switch())).ops;
    assert!(
        matches!(
            ops[..],
            [Op::PutSwitch(5001, SwitchEntry { flood_slots: 1, .. }), Op::DelFlood(FloodKey { vni: 5001, slot: 1 })]
        ),
        "{ops:?}"
    );
}

#[test]
fn members_of_a_switch_that_is_gone_go_too() {
    let mut programmed = Programmed::default();
    let orphan = FloodKey { vni: 7, slot: 0 };
    programmed.note(&Op::PutFlood(orphan, Target::remote(0, 7)));
    assert_eq!(changes(&Desired::default(), &programmed).ops, [Op::DelFlood(orphan)]);
}

// === learning ceilings ===

#[test]
fn a_switch_starts_with_its_limit_for_a_ceiling() {
    let programmed = programmed(&one_switch());
    assert_eq!(programmed.switches[&5001].learn_ceiling, crate::fixtures::LEARN_LIMIT);
}

#[test]
fn a_new_ceiling_is_one_operation() {
    let changes = diff(&one_switch(), &programmed(&one_switch()), &[(5001, 777)].into());
    assert!(matches!(changes.ops[..], [Op::PutSwitch(5001, SwitchEntry { learn_ceiling: 777, .. })]), "{changes:?}");
}

#[test]
fn the_ceiling_of_another_switch_does_not_count() {
    let changes = diff(&one_switch(), &programmed(&one_switch()), &[(5002, 777)].into());
    assert_eq!(changes, Changes::default());
}

// === limits ===

/// Thousands of remote VTEPs.
fn far(number: u32) -> RemoteVtepKey {
    let [_, _, a, b] = number.to_be_bytes();
    RemoteVtepKey { local: Addr::v4([10, 0, 0, 1]), remote: Addr::v4([10, 9, a, b]) }
}

fn far_tunnels(numbers: std::ops::Range<u32>) -> Desired {
    let plan = TunnelPlan { hop: hop(2), lease: 0 };
    Desired { tunnels: numbers.map(|number| (far(number), plan)).collect(), ..Desired::default() }
}

#[test]
fn a_tunnel_too_many_is_left_out_and_reported() {
    let Changes { ops, limits } = changes(&far_tunnels(0..MAX_TUNNELS + 1), &Programmed::default());
    let last = IpAddr::V4(Ipv4Addr::new(10, 9, 32, 0));
    assert_eq!(limits, [Limit::Tunnels(last)]);
    assert_eq!(count(&ops, |op| matches!(op, Op::PutRemoteVtep(..))), MAX_TUNNELS as usize);
}

#[test]
fn tunnels_that_are_there_keep_their_place_when_it_gets_tight() {
    let programmed = programmed(&far_tunnels(1..MAX_TUNNELS + 1));
    let Changes { ops, limits } = changes(&far_tunnels(0..MAX_TUNNELS + 1), &programmed);
    assert_eq!((ops, limits), (vec![], vec![Limit::Tunnels(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 0)))]));
}

#[test]
fn what_is_behind_a_tunnel_too_many_is_left_out_and_the_rest_is_not() {
    let ends = far(MAX_TUNNELS);
    let mut desired = far_tunnels(0..MAX_TUNNELS + 1).switch(5001).bind(5001, 11, 100).mac(5001, 1, local(11, 100));
    desired = desired.mac(5001, 2, Place::Remote { ends, vni: 5001 });
    desired.flood.entry(5001).or_default().insert(Place::Remote { ends, vni: 5001 });
    let programmed = programmed(&desired);
    assert_eq!(programmed.static_macs.keys().copied().collect::<Vec<_>>(), [mac(5001, 1)]);
    assert_eq!(view(&programmed).flood[&5001], [Some(local(11, 100))]);
}

#[test]
fn a_binding_too_many_is_left_out_and_reported() {
    let keys = (0..=MAX_BINDINGS).map(|number| key(11 + number / 4000, (number % 4000) as u16));
    let mut desired = Desired::default().switch(5001);
    let plan = BindingPlan { vni: 5001, ..BindingPlan::default() };
    desired.bindings.extend(keys.map(|key| (key, plan)));
    let last = *desired.bindings.keys().next_back().unwrap();
    let Changes { ops, limits } = changes(&desired, &Programmed::default());
    assert_eq!(limits, [Limit::Bindings(last)]);
    assert_eq!(count(&ops, |op| matches!(op, Op::PutBinding(..))), MAX_BINDINGS as usize);
}

#[test]
fn a_flood_list_too_long_is_cut_and_reported_and_stays_as_it_was_cut() {
    let members = |ports: std::ops::RangeInclusive<u32>| {
        ports.fold(Desired::default().switch(5001), |desired, port| desired.bind(5001, port, 0))
    };
    let programmed = programmed(&members(2..=MAX_FLOOD_SLOTS + 1));
    assert_eq!(programmed.switches[&5001].flood_slots, MAX_FLOOD_SLOTS);
    let Changes { ops, limits } = changes(&members(1..=MAX_FLOOD_SLOTS + 1), &programmed);
    assert_eq!(limits, [Limit::Flood(5001)]);
    assert_eq!(count(&ops, |op| matches!(op, Op::PutFlood(..) | Op::DelFlood(_))), 0);
}

// === the rest ===

#[test]
fn an_address_of_the_gateway_is_put_and_taken_away() {
    let addr = Addr::v4([10, 0, 0, 1]);
    let with = Desired { vteps: [(addr, 0)].into(), ..Desired::default() };
    assert_eq!(changes(&with, &Programmed::default()).ops, [Op::PutVtep(addr, Vtep { lease: 0 })]);
    assert_eq!(changes(&Desired::default(), &programmed(&with)).ops, [Op::DelVtep(addr)]);
}

#[test]
fn a_port_that_xdp_may_redirect_to_is_put_and_taken_away() {
    let with = Desired { xdp_ports: [11].into(), ..Desired::default() };
    assert_eq!(changes(&with, &Programmed::default()).ops, [Op::PutXdpPort(11)]);
    assert_eq!(changes(&Desired::default(), &programmed(&with)).ops, [Op::DelXdpPort(11)]);
}

#[test]
fn ports_that_take_frames_in_several_buffers_are_added_and_removed() {
    let with = Desired { xdp_ports: [11].into(), xdp_sg_ports: [11].into(), ..Desired::default() };
    assert_eq!(changes(&with, &Programmed::default()).ops, [Op::PutXdpPort(11), Op::PutXdpSgPort(11)]);
    assert_eq!(changes(&Desired::default(), &programmed(&with)).ops, [Op::DelXdpSgPort(11), Op::DelXdpPort(11)]);
}

#[test]
fn what_was_learned_behind_a_port_is_forgotten_once_when_it_goes_down() {
    let down = Desired { down: [11].into(), ..Desired::default() };
    let ops = changes(&down, &Programmed::default()).ops;
    assert_eq!(ops, [Op::PutDown(11), Op::Forget([Forget::Port(11)].into())]);
    let programmed = programmed(&down);
    assert_eq!(changes(&down, &programmed).ops, []);
    // Learned MACs are valid once the port is up again.
    assert_eq!(changes(&Desired::default(), &programmed).ops, [Op::DelDown(11)]);
}

#[test]
fn a_member_that_is_no_longer_active_goes_before_the_one_that_takes_its_place() {
    let with = |members: &[(u32, u32)]| Desired {
        members: members.iter().copied().collect(),
        down: [11].into(),
        ..Desired::default()
    };
    let before = programmed(&with(&[(4, 11), (6, 12)]));
    let ops = changes(&with(&[(3, 11), (6, 13)]), &before).ops;
    assert_eq!(ops, [Op::DelMember(4), Op::PutMember(3, 11), Op::PutMember(6, 13)]);
    assert_eq!(changes(&with(&[(4, 11), (6, 12)]), &before).ops, []);
}
