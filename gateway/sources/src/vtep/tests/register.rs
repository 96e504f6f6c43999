//! Tests of the operations that register this gateway.

use gateway_ovsdb::{Datum, Operation};

use super::*;
use crate::vtep::Own;

fn register(identity: &Identity, mirror: &Mirror) -> Vec<Operation> {
    crate::vtep::register(identity, mirror, |_| false).operations
}

/// Returns the operations as text.
fn words(operations: &[Operation]) -> Vec<String> {
    operations
        .iter()
        .map(|operation| match operation {
            Operation::Wait { table, .. } => format!("wait {table}"),
            Operation::Insert { table, row, .. } => match row.first() {
                Some(("name", name)) => format!("insert {table} {}", name.string().unwrap()),
                _ => format!("insert {table}"),
            },
            Operation::Update { table, row, .. } => {
                format!("update {table} {}", row.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(","))
            }
            Operation::Mutate { table, mutations, .. } => format!("mutate {table} {}", mutations[0].column),
            other => format!("{other:?}"),
        })
        .filter(|words| !words.starts_with("Comment"))
        .collect()
}

fn registered() -> World {
    let mut world = World::empty();
    world.change(vec![
        global(),
        gateway(&[ETH1, uuid(2, 2)]),
        port(ETH1, "eth1", [(100, RED)]),
        port(uuid(2, 2), "eth2", []),
        switch(RED, "red", keyed(5)),
    ]);
    world
}

fn gateway_row(change: impl FnOnce(&mut PhysicalSwitch)) -> Change<Row> {
    let Some(Row::PhysicalSwitch(mut row)) = gateway(&[ETH1, uuid(2, 2)]).row else { panic!() };
    change(Arc::make_mut(&mut row));
    super::change(tables::PHYSICAL_SWITCH, GATEWAY, Row::PhysicalSwitch(row))
}

#[test]
fn a_database_that_nobody_has_used_gets_all_of_it() {
    let operations = register(&identity(), &World::empty().mirror);
    assert_eq!(
        words(&operations),
        [
            "wait Physical_Switch",
            "insert Physical_Port eth1",
            "insert Physical_Port eth2",
            "insert Physical_Switch gw1",
            "insert Global",
        ]
    );
}

#[test]
fn another_gateways_global_row_is_added_to() {
    let mut world = World::empty();
    world.change(vec![global()]);
    let operations = register(&identity(), &world.mirror);
    assert_eq!(words(&operations).last().unwrap(), "mutate Global switches");
}

#[test]
fn nothing_where_all_is_right() {
    assert_eq!(register(&identity(), &registered().mirror), []);
}

#[test]
fn a_port_more_is_added_under_guard() {
    let mut world = registered();
    world.change(vec![gateway(&[ETH1]), gone(tables::PHYSICAL_PORT, uuid(2, 2))]);
    let operations = register(&identity(), &world.mirror);
    assert_eq!(
        words(&operations),
        ["wait Physical_Switch", "insert Physical_Port eth2", "mutate Physical_Switch ports"]
    );
    let Operation::Wait { rows, .. } = &operations[0] else { panic!() };
    assert_eq!(rows, &[vec![("ports", Datum::set([ETH1]))]]);
}

#[test]
fn a_port_that_is_no_longer_ours_is_left_alone() {
    let identity = Identity { ports: ["eth1".to_owned()].into(), ..identity() };
    assert_eq!(register(&identity, &registered().mirror), []);
}

#[test]
fn a_port_row_that_cannot_be_read_is_not_made_again() {
    let mut world = registered();
    world.change(vec![gone(tables::PHYSICAL_PORT, uuid(2, 2))]);
    assert_eq!(register(&identity(), &world.mirror), []);
}

#[test]
fn another_tunnel_address_is_put_right() {
    let mut world = registered();
    world.change(vec![gateway_row(|row| row.tunnel_ips = ["172.31.0.99".to_owned()].into())]);
    let operations = register(&identity(), &world.mirror);
    assert_eq!(words(&operations), ["update Physical_Switch tunnel_ips"]);
}

#[test]
fn what_the_configuration_does_not_say_is_left_alone() {
    let mut world = registered();
    world.change(vec![gateway_row(|row| {
        row.description = "the operator's".to_owned();
        row.management_ips = ["192.0.2.1".to_owned()].into();
    })]);
    assert_eq!(register(&identity(), &world.mirror), []);
}

#[test]
fn configured_columns_are_put_right() {
    let identity = Identity { description: "ours".to_owned(), management_ips: [ip("192.0.2.2")].into(), ..identity() };
    let operations = register(&identity, &registered().mirror);
    assert_eq!(words(&operations), ["update Physical_Switch management_ips,description"]);
}

#[test]
fn what_is_lost_to_another_writer_is_left_and_the_rest_is_put_right() {
    let identity = Identity { description: "ours".to_owned(), ..identity() };
    let mut world = registered();
    world.change(vec![gateway_row(|row| row.tunnel_ips = ["172.31.0.99".to_owned()].into())]);
    let lost = Own::Column("tunnel_ips");
    let registration = crate::vtep::register(&identity, &world.mirror, |own| own == lost);
    assert_eq!(words(&registration.operations), ["update Physical_Switch description"]);
    assert_eq!((registration.done, registration.left), (vec![Own::Column("description")], vec![lost]));
}
