//! Tests of the engine: its transactions, their times, and its log messages.

use std::time::Duration;

use gateway_ovsdb::{Cause, Datum, Event, Lock, LockRequest, Operation, RowError, TransactError};

use super::*;
use crate::vtep::{Engine, HoldState, HoldTimes, LocalMac, LockState, LogLine, Settings, rows::Counters};

const START: Duration = Duration::ZERO;

fn up() -> Event<Row> {
    Event::Up { remote: "unix:/db".to_owned(), schema_version: "1.7.0".to_owned(), missing: Vec::new() }
}

fn down() -> Event<Row> {
    Event::Down { remote: "unix:/db".to_owned(), reason: "it hung up".to_owned(), cause: Cause::Closed }
}

/// Rows that leave a gateway nothing to write: itself, one port, one switch, and its own flood member.
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

fn settings() -> Settings {
    let identity = Identity { ports: ["eth1".to_owned()].into(), ..identity() };
    let hold = HoldTimes { unreachable: Some(Duration::from_secs(300)), ..HoldTimes::default() };
    Settings { identity, learn_limit: 8192, hold }
}

fn engine() -> Engine {
    Engine::new(settings(), START)
}

/// Returns an engine that is connected to a database with these rows.
fn connected(rows: Vec<Change<Row>>) -> Engine {
    let mut engine = engine();
    engine.event(up(), START);
    engine.event(Event::Changes(rows), START);
    engine.take_log();
    engine
}

/// Returns the next transaction without the assertion of the lock, which each one has. Every request for the lock is
/// granted.
fn sent(engine: &mut Engine, now: Duration) -> Option<Vec<Operation>> {
    if engine.lock_request().is_some() {
        engine.event(Event::Lock(Lock::Held), now);
    }
    let mut operations = engine.transaction(now)?;
    assert_eq!(operations.remove(0), Operation::Assert("vtep_gateway_gw1".to_owned()));
    Some(operations)
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
fn nothing_is_sent_before_the_contents_are_complete() {
    let mut engine = engine();
    assert_eq!(sent(&mut engine, START), None);
    engine.event(up(), START);
    assert_eq!(sent(&mut engine, START), None);
    engine.event(Event::Changes(Vec::new()), START);
    assert!(is_about(&sent(&mut engine, START).unwrap(), tables::PHYSICAL_SWITCH));
}

#[test]
fn nothing_is_sent_where_all_is_right() {
    assert_eq!(sent(&mut connected(settled()), START), None);
}

#[test]
fn one_transaction_is_sent_at_a_time() {
    let mut engine = connected(settled());
    engine.learn(learned());
    assert!(sent(&mut engine, START).is_some());
    engine.learn(LocalMac { mac: mac(98), ..learned() });
    assert_eq!(sent(&mut engine, START), None);
    engine.outcome(Ok(()), START);
    let due = engine.deadline(START).unwrap();
    assert!(sent(&mut engine, due).is_some());
}

#[test]
fn what_failed_is_sent_again_after_a_pause() {
    let mut engine = connected(settled());
    engine.learn(learned());
    sent(&mut engine, START).unwrap();
    engine.outcome(Err(refused()), START);
    assert_eq!(sent(&mut engine, START), None);
    let due = engine.deadline(START).unwrap();
    assert!(is_about(&sent(&mut engine, due).unwrap(), tables::UCAST_MACS_LOCAL));
}

#[test]
fn a_refusal_is_logged_once() {
    let mut engine = connected(settled());
    engine.learn(learned());
    for second in 0..3 {
        let now = Duration::from_secs(100 * second);
        sent(&mut engine, now).unwrap();
        engine.outcome(Err(refused()), now);
    }
    let logged = warnings(&mut engine);
    assert!(logged.len() == 1 && logged[0].contains("permission error"), "{logged:?}");
}

#[test]
fn registering_that_is_refused_does_not_keep_stations_from_being_published() {
    let mut rows = settled();
    rows.push(gateway(&[]));
    rows.push(change(tables::PHYSICAL_SWITCH, uuid(1, 9), Row::PhysicalSwitch(Arc::default())));
    let mut engine = connected(rows);
    engine.learn(learned());
    assert!(is_about(&sent(&mut engine, START).unwrap(), tables::PHYSICAL_PORT));
    engine.outcome(Err(refused()), START);
    // Without a port there is no binding, so the published rows are withdrawn.
    assert!(matches!(&sent(&mut engine, START).unwrap()[..], [Operation::Delete { .. }]));
}

#[test]
fn after_a_lost_connection_what_was_asked_for_is_looked_at_again() {
    let mut engine = connected(settled());
    engine.learn(learned());
    sent(&mut engine, START).unwrap();
    engine.event(down(), START);
    engine.outcome(Err(lost()), START);
    assert_eq!(sent(&mut engine, START), None);
    engine.event(up(), START);
    engine.event(Event::Changes(vec![local(1, mac(99), RED, AT_OWN, None)]), START);
    assert_eq!(sent(&mut engine, START), None, "it was done");
}

#[test]
fn what_a_server_forgot_is_written_again() {
    let mut engine = connected(settled());
    engine.event(down(), START);
    engine.event(up(), START);
    engine.event(Event::Changes(vec![gone(tables::MCAST_MACS_LOCAL, uuid(6, 21))]), START);
    assert!(is_about(&sent(&mut engine, START).unwrap(), tables::MCAST_MACS_LOCAL));
}

#[test]
fn counters_are_written_every_ten_seconds() {
    let mut engine = connected(settled());
    let mut write = |packets, second| {
        let counters = Counters { packets_to_local: packets, ..Counters::default() };
        engine.set_traffic([(("eth1".to_owned(), vlan(100)), counters)].into());
        let now = Duration::from_secs(second);
        let written = sent(&mut engine, now).is_some();
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
    assert_eq!(sent(&mut engine, START), None);
    assert!(engine.take_log().iter().any(|line| matches!(line, LogLine::Warning(text) if text.contains("vlan_stats"))));
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
    assert!(engine.take_log().contains(&LogLine::Warning(named)));
    let [Operation::Update { row, .. }] = &sent(&mut engine, START).unwrap()[..] else { panic!() };
    assert_eq!(row, &[("switch_fault_status", Datum::set(["unspecified_fault"]))]);
}

#[test]
fn of_many_rows_that_cannot_be_read_a_few_are_named() {
    let error = Arc::new(RowError { column: "MAC".into(), expected: "a MAC".into(), found: "x".into() });
    let bad = |number| change(tables::UCAST_MACS_REMOTE, uuid(7, number), Row::Unreadable(Arc::clone(&error)));
    let mut engine = connected(settled());
    engine.event(Event::Changes((0..100).map(bad).collect()), START);
    assert_eq!(engine.take_log().len(), 11);
    assert_eq!(engine.status(START).unreadable, 100);
}

#[test]
fn a_server_that_stays_away_is_logged_now_and_then() {
    let mut engine = connected(settled());
    let lines = (0..120).map(|second| {
        engine.event(down(), Duration::from_secs(second));
        engine.take_log().len()
    });
    // Two messages that there is no connection, one that forwarding stays.
    assert_eq!(lines.sum::<usize>(), 3);
}

#[test]
fn problems_are_logged_when_they_come_and_when_they_go() {
    let mut engine = connected(settled());
    engine.event(Event::Changes(vec![switch(BLUE, "blue", keyed(5))]), START);
    assert!(matches!(&engine.take_log()[..], [LogLine::Warning(text)] if text.contains("blue")));
    assert_eq!(engine.status(START).problems.len(), 1);
    engine.event(Event::Changes(vec![switch(BLUE, "blue", keyed(6))]), START);
    assert!(matches!(&engine.take_log()[..], [LogLine::Info(text)] if text.starts_with("no longer")));
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

const OTHER: &str = "172.31.0.99";

/// Returns the row of this gateway with another tunnel address.
fn readdressed(address: &str) -> Event<Row> {
    let Some(Row::PhysicalSwitch(mut row)) = gateway(&[ETH1]).row else { panic!() };
    Arc::make_mut(&mut row).tunnel_ips = [address.to_owned()].into();
    Event::Changes(vec![change(tables::PHYSICAL_SWITCH, GATEWAY, Row::PhysicalSwitch(row))])
}

/// Returns the warnings among the log messages.
fn warnings(engine: &mut Engine) -> Vec<String> {
    let lines = engine.take_log().into_iter();
    lines.filter_map(|line| if let LogLine::Warning(text) = line { Some(text) } else { None }).collect()
}

#[test]
fn stations_are_published_five_times_a_second_at_most() {
    let mut engine = connected(settled());
    let mut transactions = 0;
    for millisecond in 0..1000_u16 {
        let [high, low] = millisecond.to_be_bytes();
        engine.learn(LocalMac { mac: MacAddr([2, 0xbb, 0, 0, high, low]), ..learned() });
        let now = Duration::from_millis(millisecond.into());
        if sent(&mut engine, now).is_some() {
            transactions += 1;
            engine.outcome(Ok(()), now);
        }
    }
    assert_eq!(transactions, 5);
}

/// The other writer has a script that reverts every change.
#[test]
fn a_tunnel_address_that_another_writer_keeps_changing_is_left_to_it_with_a_fault_that_names_it() {
    let mut engine = connected(settled());
    let (mut now, mut writes) = (START, Vec::new());
    engine.event(readdressed(OTHER), now);
    for _ in 0..1000 {
        if sent(&mut engine, now).is_some() {
            writes.push(now);
            engine.event(readdressed(OWN), now);
            engine.outcome(Ok(()), now);
            engine.event(readdressed(OTHER), now);
        }
        now += Duration::from_millis(100);
    }
    let at: Vec<u128> = writes.iter().map(Duration::as_millis).collect();
    assert_eq!(at, [0, 200, 600, 1400, 3000, 6200], "further and further apart, and then no more");
    let fault = engine.status(now).faults.into_iter().next().unwrap();
    for word in ["tunnel_ips", OTHER, "gw1", "database.switch", "again and again"] {
        assert!(fault.contains(word), "{word} in {fault}");
    }
    assert_eq!(warnings(&mut engine), [fault]);
    // For an operator who has found the other writer.
    engine.reconfigure(settings(), now);
    assert!(sent(&mut engine, now).is_some() && engine.status(now).faults.is_empty());
}

#[test]
fn a_tunnel_address_that_is_right_again_for_a_minute_is_no_fault_any_more() {
    let mut engine = connected(settled());
    let mut now = START;
    while engine.status(now).faults.is_empty() {
        engine.event(readdressed(OTHER), now);
        if sent(&mut engine, now).is_some() {
            engine.event(readdressed(OWN), now);
            engine.outcome(Ok(()), now);
        }
        now += Duration::from_millis(100);
    }
    engine.event(readdressed(OWN), now);
    assert_eq!(sent(&mut engine, now), None);
    while let Some(due) = engine.deadline(now) {
        now = due;
        engine.tick(now);
        sent(&mut engine, now);
        engine.tick(now);
    }
    assert!(engine.status(now).faults.is_empty());
}

#[test]
fn while_another_gateway_holds_the_lock_nothing_is_written_and_that_is_a_fault() {
    let mut engine = connected(settled());
    engine.learn(learned());
    assert_eq!(engine.lock_request(), Some(LockRequest::Wait));
    engine.event(Event::Lock(Lock::Waiting), START);
    assert_eq!((engine.transaction(START), engine.status(START).lock), (None, LockState::Waiting { since: START }));
    assert!(engine.status(START).faults.is_empty(), "a server takes a moment to find out that a node is gone");
    let due = engine.deadline(START).unwrap();
    engine.tick(due);
    let faults = engine.status(due).faults;
    assert!(faults.iter().any(|fault| fault.contains("writes to the database as \"gw1\"")), "{faults:?}");
    assert_eq!(engine.transaction(due), None);
    engine.event(Event::Lock(Lock::Held), due);
    assert!(engine.status(due).faults.is_empty());
    let operations = engine.transaction(due).unwrap();
    assert_eq!(operations[0], Operation::Assert(engine.lock()));
}

#[test]
fn a_lock_that_is_stolen_stops_all_writing_and_is_a_fault_at_once() {
    let mut engine = connected(settled());
    assert_eq!(sent(&mut engine, START), None);
    engine.event(Event::Lock(Lock::Stolen), START);
    engine.learn(learned());
    assert_eq!(engine.transaction(START), None);
    assert!(warnings(&mut engine)[0].contains("do the nodes hear each other's VRRP?"));
    assert_eq!(engine.status(START).faults.len(), 1);
}

#[test]
fn a_node_that_becomes_active_takes_the_lock_and_a_standby_needs_none() {
    let mut engine = engine();
    engine.set_writing(false);
    engine.event(up(), START);
    engine.event(Event::Changes(settled()), START);
    assert_eq!((engine.lock_request(), engine.status(START).lock), (None, LockState::None));
    engine.set_writing(true);
    assert_eq!(engine.lock_request(), Some(LockRequest::Steal));
    engine.event(Event::Lock(Lock::Held), START);
    engine.set_writing(false);
    assert_eq!(engine.lock_request(), Some(LockRequest::Release));
    assert_eq!(engine.transaction(START), None);
}

#[test]
fn a_transaction_that_comes_too_late_for_its_lock_is_no_news_for_anybody() {
    let mut engine = connected(settled());
    engine.learn(learned());
    sent(&mut engine, START).unwrap();
    engine.event(Event::Lock(Lock::Stolen), START);
    engine.take_log();
    engine.outcome(Err(TransactError::NotOwner), START);
    assert!(matches!(&engine.take_log()[..], [LogLine::Debug(_)]));
}

#[test]
fn each_binding_that_comes_or_goes_is_logged() {
    let mut engine = connected(settled());
    engine.event(Event::Changes(vec![port(ETH1, "eth1", [(200, RED)])]), START);
    let lines = [
        r#"VLAN 100 of port "eth1" is no longer bound to logical switch "red""#,
        r#"VLAN 200 of port "eth1" is bound to logical switch "red""#,
    ];
    assert_eq!(engine.take_log(), lines.map(|line| LogLine::Info(line.to_owned())));
}

#[test]
fn a_gateway_without_any_binding_has_a_problem() {
    let mut engine = connected(settled());
    engine.event(Event::Changes(vec![port(ETH1, "eth1", [])]), START);
    let problems = engine.status(START).problems;
    assert!(problems.iter().any(|problem| problem.contains("binds no VLAN of \"gw1\"")), "{problems:?}");
    engine.event(Event::Changes(vec![port(ETH1, "eth1", [(100, RED)])]), START);
    assert!(engine.status(START).problems.is_empty());
}

#[test]
fn the_loss_of_this_gateways_own_row_is_a_warning_and_holds() {
    let mut engine = connected(settled());
    let deleted = vec![gone(tables::PHYSICAL_SWITCH, GATEWAY), gone(tables::PHYSICAL_PORT, ETH1)];
    engine.event(Event::Changes(deleted), START);
    assert!(warnings(&mut engine)[0].starts_with("this gateway's row in Physical_Switch was deleted"));
    assert!(matches!(engine.status(START).hold, HoldState::Kept { switches: 1, .. }));
    assert!(is_about(&sent(&mut engine, START).unwrap(), tables::PHYSICAL_SWITCH), "the row is made again");
}

#[test]
fn why_the_database_cannot_be_reached_is_in_the_status_and_in_the_log_at_once() {
    let mut engine = connected(settled());
    let why = |reason: &str, cause| Event::Down { remote: "ssl:db".to_owned(), reason: reason.to_owned(), cause };
    engine.event(why("it closed the connection", Cause::Closed), START);
    engine.take_log();
    engine.event(why("its certificate has expired", Cause::Tls), START + Duration::from_secs(1));
    assert!(warnings(&mut engine)[0].contains("ssl:db: its certificate has expired"));
    let unreachable = ("ssl:db".to_owned(), "its certificate has expired".to_owned(), Cause::Tls);
    assert_eq!(engine.status(START).unreachable, Some(unreachable));
    engine.event(up(), START);
    assert_eq!(engine.status(START).unreachable, None);
}

#[test]
fn stations_left_with_an_address_from_before_the_restart_are_withdrawn() {
    let mut rows = settled();
    let Event::Changes(row) = readdressed(HV1) else { panic!() };
    rows.extend(row);
    rows.extend([locator(AT_HV1, HV1), locator(AT_HV2, HV2)]);
    rows.extend([local(1, mac(98), RED, AT_HV1, None), local(2, mac(97), RED, AT_HV2, None)]);
    let mut engine = connected(rows);
    engine.set_local([]);
    assert!(matches!(&sent(&mut engine, START).unwrap()[..], [Operation::Update { .. }, Operation::Comment(_)]));
    engine.event(readdressed(OWN), START);
    engine.outcome(Ok(()), START);
    let deleted = sent(&mut engine, START).unwrap();
    assert!(matches!(&deleted[..], [Operation::Delete { condition, .. }] if condition[0].value == uuid(8, 1).into()));
}
