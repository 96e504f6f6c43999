//! What is sent when, and what is said.

use std::time::Duration;

use super::*;
use crate::{
    ovsdb::{Datum, Event, Operation, RowError, TransactError},
    vtep::{Engine, HoldState, LocalMac, Said, Settings, rows::Counters},
};

const START: Duration = Duration::ZERO;

fn up() -> Event<Row> {
    Event::Up { remote: "unix:/db".to_owned(), schema_version: "1.7.0".to_owned(), missing: Vec::new() }
}

fn down() -> Event<Row> {
    Event::Down { remote: "unix:/db".to_owned(), reason: "it hung up".to_owned() }
}

/// What a gateway without anything to ask for finds: itself, one port, one switch, and its own flood member.
fn settled() -> Vec<Change<Row>> {
    vec![
        global(),
        gateway(&[ETH1]),
        port(ETH1, "eth1", [(100, RED)]),
        switch(RED, "red", keyed(5)),
        locator(AT_OWN, OWN),
        set(uuid(5, 21), [AT_OWN]),
        flood(tables::MCAST_MACS_LOCAL, 21, RED, uuid(5, 21)),
    ]
}

fn engine() -> Engine {
    let identity = Identity { ports: ["eth1".to_owned()].into(), ..identity() };
    Engine::new(Settings { identity, learn_limit: 8192, hold_time: Duration::from_secs(300) }, START)
}

/// An engine that is connected to a database with these rows.
fn connected(rows: Vec<Change<Row>>) -> Engine {
    let mut engine = engine();
    engine.event(up(), START);
    engine.event(Event::Changes(rows), START);
    engine.said();
    engine
}

fn learned() -> LocalMac {
    LocalMac { vni: vni(5), mac: mac(99), ip: None }
}

fn lost() -> TransactError {
    TransactError::Down { reason: String::new() }
}

fn refused() -> TransactError {
    TransactError::Refused { error: "permission error".to_owned(), details: "no".to_owned(), operation: None }
}

fn is_about(operations: &[Operation], name: &str) -> bool {
    operations.iter().any(|operation| matches!(operation, Operation::Insert { table, .. } if *table == name))
}

#[test]
fn nothing_is_sent_before_all_that_is_there_was_told() {
    let mut engine = engine();
    assert_eq!(engine.transaction(START), None);
    engine.event(up(), START);
    assert_eq!(engine.transaction(START), None);
    engine.event(Event::Changes(Vec::new()), START);
    assert!(is_about(&engine.transaction(START).unwrap(), tables::PHYSICAL_SWITCH));
}

#[test]
fn nothing_is_sent_where_all_is_right() {
    assert_eq!(connected(settled()).transaction(START), None);
}

#[test]
fn one_transaction_is_sent_at_a_time() {
    let mut engine = connected(settled());
    engine.learn(learned());
    assert!(engine.transaction(START).is_some());
    engine.learn(LocalMac { mac: mac(98), ..learned() });
    assert_eq!(engine.transaction(START), None);
    engine.outcome(Ok(()), START);
    assert!(engine.transaction(START).is_some());
}

#[test]
fn what_failed_is_sent_again_after_a_pause() {
    let mut engine = connected(settled());
    engine.learn(learned());
    engine.transaction(START).unwrap();
    engine.outcome(Err(refused()), START);
    assert_eq!(engine.transaction(START), None);
    let due = engine.deadline(START).unwrap();
    assert!(is_about(&engine.transaction(due).unwrap(), tables::UCAST_MACS_LOCAL));
}

#[test]
fn a_refusal_is_said_once() {
    let mut engine = connected(settled());
    engine.learn(learned());
    for second in 0..3 {
        let now = Duration::from_secs(100 * second);
        engine.transaction(now).unwrap();
        engine.outcome(Err(refused()), now);
    }
    let said = engine.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(matches!(&said[0], Said::Warning(text) if text.contains("permission error")), "{said:?}");
}

#[test]
fn registering_that_is_refused_does_not_keep_stations_from_being_published() {
    let mut rows = settled();
    rows.push(gateway(&[]));
    rows.push(change(tables::PHYSICAL_SWITCH, uuid(1, 9), Row::PhysicalSwitch(Arc::default())));
    let mut engine = connected(rows);
    engine.learn(learned());
    assert!(is_about(&engine.transaction(START).unwrap(), tables::PHYSICAL_PORT));
    engine.outcome(Err(refused()), START);
    // Without a port there is no binding, so what is published is withdrawn.
    assert!(matches!(&engine.transaction(START).unwrap()[..], [Operation::Delete { .. }]));
}

#[test]
fn after_a_lost_connection_what_was_asked_for_is_looked_at_again() {
    let mut engine = connected(settled());
    engine.learn(learned());
    engine.transaction(START).unwrap();
    engine.event(down(), START);
    engine.outcome(Err(lost()), START);
    assert_eq!(engine.transaction(START), None);
    engine.event(up(), START);
    engine.event(Event::Changes(vec![local(1, mac(99), RED, AT_OWN, None)]), START);
    assert_eq!(engine.transaction(START), None, "it was done");
}

#[test]
fn what_a_server_forgot_is_written_again() {
    let mut engine = connected(settled());
    engine.event(down(), START);
    engine.event(up(), START);
    engine.event(Event::Changes(vec![gone(tables::MCAST_MACS_LOCAL, uuid(6, 21))]), START);
    assert!(is_about(&engine.transaction(START).unwrap(), tables::MCAST_MACS_LOCAL));
}

#[test]
fn counters_are_written_every_ten_seconds() {
    let mut engine = connected(settled());
    let mut write = |packets, second| {
        let counters = Counters { packets_to_local: packets, ..Counters::default() };
        engine.set_traffic([(("eth1".to_owned(), vlan(100)), counters)].into());
        let now = Duration::from_secs(second);
        let written = engine.transaction(now).is_some();
        engine.outcome(Ok(()), now);
        written
    };
    assert_eq!([write(1, 0), write(2, 9), write(3, 10)], [true, false, true]);
}

#[test]
fn columns_that_the_schema_lacks_are_not_written() {
    let mut engine = engine();
    let missing = vec!["Physical_Switch.switch_fault_status".to_owned(), "Physical_Port.vlan_stats".to_owned()];
    engine.event(Event::Up { remote: "r".to_owned(), schema_version: "1.3.0".to_owned(), missing }, START);
    engine.event(Event::Changes(settled()), START);
    engine.set_traffic([(("eth1".to_owned(), vlan(100)), Counters::default())].into());
    engine.set_faults(crate::vtep::Faults { switch: [crate::vtep::Fault::Unspecified].into(), ..Default::default() });
    assert_eq!(engine.transaction(START), None);
    assert!(engine.said().iter().any(|said| matches!(said, Said::Warning(text) if text.contains("vlan_stats"))));
}

#[test]
fn a_row_that_cannot_be_read_is_a_fault_and_named() {
    let mut rows = settled();
    let error = RowError { column: "MAC".into(), expected: "a MAC".into(), found: "x".into() };
    rows.push(change(tables::UCAST_MACS_REMOTE, uuid(7, 1), Row::Unreadable(Arc::new(error))));
    let mut engine = engine();
    engine.event(up(), START);
    engine.event(Event::Changes(rows), START);
    let named = format!(
        "row {} of Ucast_Macs_Remote in the database is skipped: column MAC should hold a MAC, and holds x",
        uuid(7, 1)
    );
    assert!(engine.said().contains(&Said::Warning(named)));
    let [Operation::Update { row, .. }] = &engine.transaction(START).unwrap()[..] else { panic!() };
    assert_eq!(row, &[("switch_fault_status", Datum::set(["unspecified_fault"]))]);
}

#[test]
fn of_many_rows_that_cannot_be_read_a_few_are_named() {
    let error = Arc::new(RowError { column: "MAC".into(), expected: "a MAC".into(), found: "x".into() });
    let bad = |number| change(tables::UCAST_MACS_REMOTE, uuid(7, number), Row::Unreadable(Arc::clone(&error)));
    let mut engine = connected(settled());
    engine.event(Event::Changes((0..100).map(bad).collect()), START);
    assert_eq!(engine.said().len(), 11);
    assert_eq!(engine.status(START).unreadable, 100);
}

#[test]
fn a_server_that_stays_away_is_said_to_now_and_then() {
    let mut engine = connected(settled());
    let said = (0..120).map(|second| {
        engine.event(down(), Duration::from_secs(second));
        engine.said().len()
    });
    // Twice that there is no connection, once that forwarding stays.
    assert_eq!(said.sum::<usize>(), 3);
}

#[test]
fn problems_are_said_when_they_come_and_when_they_go() {
    let mut engine = connected(settled());
    engine.event(Event::Changes(vec![switch(BLUE, "blue", keyed(5))]), START);
    assert!(matches!(&engine.said()[..], [Said::Warning(text)] if text.contains("blue")));
    assert_eq!(engine.status(START).problems.len(), 1);
    engine.event(Event::Changes(vec![switch(BLUE, "blue", keyed(6))]), START);
    assert!(matches!(&engine.said()[..], [Said::Info(text)] if text.starts_with("no longer")));
}

#[test]
fn a_database_that_is_gone_runs_out() {
    let mut engine = connected(settled());
    engine.event(down(), START);
    let over = Duration::from_secs(300);
    assert_eq!(engine.deadline(START), Some(over));
    engine.tick(over);
    assert!(engine.rows().switches.is_empty());
    assert_eq!(engine.status(over).hold, HoldState::Expired);
}
