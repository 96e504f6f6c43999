//! Results of an FDB scan, and the arithmetic of ceilings.

use std::time::Duration;

use gateway_common::fdb::{CHECK_SENDER, Target};

use super::*;
use crate::{
    Desired,
    fixtures::{Build, mac, one_switch, programmed},
};

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 5000 * SECOND;
const AGEING: u64 = 300 * SECOND;

/// The place behind the binding of [`one_switch`].
const PORT: Target = Target::local(11, 100, 0);
/// The place behind its tunnel.
const TUNNEL: Target = Target::remote(0, 5001);

fn learned(to: Target, seen: u64) -> FdbEntry {
    FdbEntry { to, seen, origin: fdb::LEARNED, flags: 0 }
}

fn learning_from_tunnels() -> Desired {
    let mut desired = one_switch();
    desired.switches.entry(5001).and_modify(|plan| plan.learn_remote = true);
    desired
}

/// A scan of MACs 10, 11, and so on of VNI 5001.
fn fdb_scan(desired: &Desired, entries: &[FdbEntry]) -> FdbScan {
    let rows = entries.iter().zip(10..).map(|(entry, number)| (mac(5001, number), *entry));
    FdbScan::take(rows, &programmed(desired), &Epochs::new(), NOW, AGEING)
}

#[test]
fn a_mac_ages_after_the_ageing_time_and_the_second_that_its_time_may_be_late() {
    let due = NOW - AGEING - SEEN_LAG_NS;
    let fdb_scan = fdb_scan(&one_switch(), &[learned(PORT, due), learned(PORT, due - 1)]);
    assert_eq!((fdb_scan.aged, fdb_scan.learned), (vec![mac(5001, 11)], [(5001, 1)].into()));
}

#[test]
fn a_mac_from_a_moment_after_the_clock_was_read_has_not_aged() {
    assert_eq!(fdb_scan(&one_switch(), &[learned(PORT, NOW + 1)]).learned, [(5001, 1)].into());
}

#[test]
fn what_the_node_before_has_learned_ages_from_the_takeover_and_on_a_standby_not_at_all() {
    let lease = programmed(&one_switch()).switches[&5001].lease;
    let aged = |epoch| {
        let rows = [(mac(5001, 10), learned(PORT, 0))].into_iter();
        let epochs = Epochs::from([(lease, epoch)]);
        FdbScan::take(rows, &programmed(&one_switch()), &epochs, NOW, AGEING).aged.len()
    };
    let due = NOW - AGEING - SEEN_LAG_NS;
    assert_eq!((aged(due - 1), aged(due), aged(NEVER)), (1, 0, 0));
}

#[test]
fn static_macs_never_age_and_are_not_counted() {
    let fixed = FdbEntry { origin: fdb::STATIC, ..learned(PORT, 0) };
    assert_eq!(fdb_scan(&one_switch(), &[fixed]), FdbScan::default());
}

#[test]
fn each_switch_has_its_own_count() {
    let desired = one_switch().switch(5002).bind(5002, 11, 200);
    let entry = |vni, number, to| (mac(vni, number), learned(to, NOW));
    let other = Target::local(11, 200, 1);
    let rows = [entry(5001, 10, PORT), entry(5002, 10, other), entry(5002, 11, other)];
    let fdb_scan = FdbScan::take(rows.into_iter(), &programmed(&desired), &Epochs::new(), NOW, AGEING);
    assert_eq!(fdb_scan.learned, [(5001, 1), (5002, 2)].into());
}

#[test]
fn a_mac_learned_from_a_tunnel_counts_where_the_switch_learns_from_tunnels() {
    assert_eq!(fdb_scan(&learning_from_tunnels(), &[learned(TUNNEL, NOW)]).learned, [(5001, 1)].into());
    assert_eq!(fdb_scan(&one_switch(), &[learned(TUNNEL, NOW)]).stray, [mac(5001, 10)]);
}

#[test]
fn a_mac_behind_a_tunnel_that_is_gone_is_astray() {
    let gone = learned(Target::remote(7, 5001), NOW);
    assert_eq!(fdb_scan(&learning_from_tunnels(), &[gone]).stray, [mac(5001, 10)]);
}

#[test]
fn a_mac_behind_a_binding_that_is_gone_is_astray() {
    assert_eq!(fdb_scan(&one_switch(), &[learned(Target::local(11, 101, 0), NOW)]).stray, [mac(5001, 10)]);
}

#[test]
fn a_mac_behind_a_binding_that_is_in_another_switch_now_is_astray() {
    let moved = Desired::default().switch(5001).switch(5002).bind(5002, 11, 100);
    assert_eq!(fdb_scan(&moved, &[learned(PORT, NOW)]).stray, [mac(5001, 10)]);
}

#[test]
fn a_mac_that_does_not_say_who_checks_its_senders_is_astray() {
    let flagged = FdbEntry { flags: CHECK_SENDER, ..learned(PORT, NOW) };
    assert_eq!(fdb_scan(&one_switch(), &[flagged]).stray, [mac(5001, 10)]);
}

#[test]
fn a_static_mac_that_was_learned_over_is_found() {
    let desired = one_switch().mac(5001, 10, crate::fixtures::remote(1, 5001));
    let fdb_scan = fdb_scan(&desired, &[learned(PORT, NOW)]);
    assert_eq!(fdb_scan, FdbScan { overwritten: vec![mac(5001, 10)], ..FdbScan::default() });
}

#[test]
fn the_ceiling_leaves_room_up_to_the_limit() {
    assert_eq!(ceiling(1000, 100, 40), 1060);
}

#[test]
fn ageing_raises_the_ceiling_and_learning_leaves_it() {
    let before = ceiling(1000, 100, 40);
    assert_eq!(ceiling(1000, 100, 30), before + 10);
    assert_eq!(ceiling(1007, 100, 47), before);
}

#[test]
fn a_switch_over_its_limit_learns_nothing() {
    assert_eq!(ceiling(1000, 100, 150), 1000);
}

#[test]
fn sweeps_come_eight_times_in_the_ageing_time_between_one_and_thirty_seconds() {
    let interval = |ageing| ageing_interval(Duration::from_secs(ageing)).as_millis();
    assert_eq!((interval(1), interval(60), interval(300)), (1000, 7500, 30_000));
}

#[test]
fn those_silent_for_longest_make_way() {
    let key = |mac: u8| FdbKey::new(5001, [2, 0, 0, 0, 0, mac]);
    let entry = |seen, origin| FdbEntry { to: Target::local(2, 100, 0), seen, origin, flags: 0 };
    let rows = [
        (key(1), entry(30, fdb::LEARNED)),
        (key(2), entry(10, fdb::LEARNED)),
        (key(3), entry(20, fdb::LEARNED)),
        (key(4), entry(0, fdb::STATIC)),
        (FdbKey::new(5002, [2, 0, 0, 0, 0, 5]), entry(1, fdb::LEARNED)),
    ];
    assert_eq!(silent_longest(rows.into_iter(), 5001, 2), [key(2), key(3)]);
}
