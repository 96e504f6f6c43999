//! Tests of counters and faults.

use gateway_ovsdb::{Datum, Mutator, Operation};

use super::*;
use crate::vtep::{Fault, Faults, TrafficByBinding, report_faults, report_traffic, rows::Counters};

const STATS: Uuid = uuid(9, 1);

fn counters(packets: u64) -> Counters {
    Counters { packets_from_local: packets, ..Counters::default() }
}

fn traffic(packets: u64) -> TrafficByBinding {
    [(("eth1".to_owned(), vlan(100)), counters(packets))].into()
}

fn port_row(change: impl FnOnce(&mut PhysicalPort)) -> Change<Row> {
    let Some(Row::PhysicalPort(mut row)) = port(ETH1, "eth1", [(100, RED)]).row else { panic!() };
    change(Arc::make_mut(&mut row));
    super::change(tables::PHYSICAL_PORT, ETH1, Row::PhysicalPort(row))
}

/// Returns a database where the VLAN has a row of counters.
fn counted() -> World {
    let mut world = World::filled();
    world.change(vec![
        port_row(|row| row.stats = [(100, STATS)].into()),
        change(tables::LOGICAL_BINDING_STATS, STATS, Row::LogicalBindingStats(counters(1))),
    ]);
    world
}

#[test]
fn a_vlan_without_counters_gets_a_row() {
    let operations = report_traffic(&identity(), &World::filled().mirror, &traffic(1), 100);
    let [Operation::Insert { table, row, .. }, Operation::Mutate { mutations, .. }] = &operations[..] else {
        panic!("{operations:?}")
    };
    assert_eq!((*table, &row[0]), (tables::LOGICAL_BINDING_STATS, &("packets_from_local", Datum::from(1))));
    assert_eq!((mutations[0].column, mutations[0].mutator), ("vlan_stats", Mutator::Insert));
}

#[test]
fn counters_that_have_not_changed_are_not_written() {
    assert_eq!(report_traffic(&identity(), &counted().mirror, &traffic(1), 100), []);
}

#[test]
fn counters_that_have_changed_are_written_to_their_row() {
    let operations = report_traffic(&identity(), &counted().mirror, &traffic(2), 100);
    assert!(matches!(&operations[..], [Operation::Update { table: "Logical_Binding_Stats", .. }]), "{operations:?}");
}

#[test]
fn counters_of_a_vlan_that_is_no_longer_bound_are_taken_away() {
    let mut world = counted();
    world.change(vec![port_row(|row| (row.stats, row.bindings) = ([(100, STATS)].into(), [].into()))]);
    let operations = report_traffic(&identity(), &world.mirror, &traffic(1), 100);
    let [Operation::Mutate { mutations, .. }] = &operations[..] else { panic!("{operations:?}") };
    assert_eq!((mutations[0].mutator, &mutations[0].value), (Mutator::Delete, &Datum::set([100])));
}

#[test]
fn counters_are_written_a_part_at_a_time() {
    let mut world = World::filled();
    let vlans = 1..1000_u16;
    world.change(vec![port_row(|row| row.bindings = vlans.clone().map(|vlan| (vlan, RED)).collect())]);
    let traffic = vlans.map(|id| (("eth1".to_owned(), vlan(id)), counters(1))).collect();
    let operations = report_traffic(&identity(), &world.mirror, &traffic, 100);
    assert_eq!(operations.len(), 100);
}

#[test]
fn faults_are_set() {
    let faults = Faults {
        switch: [Fault::Unspecified].into(),
        ports: [("eth1".to_owned(), [Fault::InvalidVlanMap].into())].into(),
    };
    let operations = report_faults(&identity(), &World::filled().mirror, &faults);
    let [Operation::Update { row: switch, .. }, Operation::Update { row: port, .. }] = &operations[..] else {
        panic!("{operations:?}")
    };
    assert_eq!(switch, &[("switch_fault_status", Datum::set(["unspecified_fault"]))]);
    assert_eq!(port, &[("port_fault_status", Datum::set(["invalid_vlan_map"]))]);
}

#[test]
fn faults_that_are_shown_are_not_written_again() {
    let mut world = World::filled();
    world.change(vec![port_row(|row| row.faults = ["invalid_vlan_map".to_owned()].into())]);
    let faults = Faults { ports: [("eth1".to_owned(), [Fault::InvalidVlanMap].into())].into(), ..Faults::default() };
    assert_eq!(report_faults(&identity(), &world.mirror, &faults), []);
}

#[test]
fn faults_that_are_over_are_cleared() {
    let mut world = World::filled();
    world.change(vec![port_row(|row| row.faults = ["invalid_vlan_map".to_owned()].into())]);
    let operations = report_faults(&identity(), &world.mirror, &Faults::default());
    let [Operation::Update { row, .. }] = &operations[..] else { panic!("{operations:?}") };
    assert_eq!(row, &[("port_fault_status", Datum::EMPTY)]);
}

#[test]
fn ports_of_a_twin_are_left_alone() {
    let mut world = World::filled();
    let row = PhysicalPort { name: "eth9".to_owned(), faults: ["x".to_owned()].into(), ..Default::default() };
    world.change(vec![
        gateway(&[ETH1, uuid(2, 9)]),
        change(tables::PHYSICAL_PORT, uuid(2, 9), Row::PhysicalPort(Arc::new(row))),
    ]);
    assert_eq!(report_faults(&identity(), &world.mirror, &Faults::default()), []);
}
