//! Transactions.

use std::pin::pin;

use gateway_ovsdb::{Atom, Condition, Event, Mutation, Operation, OperationResult, TransactError};
use serde_json::json;

use crate::{
    follower::Follower,
    lab::{Place, SCHEMA},
};

fn insert(name: &str) -> Operation {
    Operation::Insert { table: "Switch", row: vec![("name", name.into())], uuid_name: None }
}

/// Goes on only if the switch `name` still has this count.
fn guard(name: &str, count: i64) -> Operation {
    Operation::Wait {
        table: "Switch",
        condition: vec![Condition::eq("name", name)],
        columns: vec!["count"],
        rows: vec![vec![("count", count.into())]],
        until_equal: true,
        timeout_ms: 0,
    }
}

#[tokio::test]
async fn rows_that_refer_to_each_other_are_made_in_one() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let mut follower = Follower::of(&place.remote("a")).await;
    let switch = Operation::Insert {
        table: "Switch",
        row: vec![("name", "s1".into()), ("load", 0.5.into())],
        uuid_name: Some("new".into()),
    };
    let bindings = gateway_ovsdb::Datum::map([(100_i64, Atom::named("new"))]);
    let row = vec![("name", "p1".into()), ("bindings", bindings)];
    let port = Operation::Insert { table: "Port", row, uuid_name: None };
    let results = follower.client.transact(vec![switch, port, Operation::Comment("hello".into())]).await.unwrap();

    let Some(Event::Changes(changes)) = follower.events.try_recv() else {
        panic!("the changes of a transaction are reported before its reply");
    };
    assert_eq!(changes.len(), 2);
    let [OperationResult::Inserted(switch), OperationResult::Inserted(port), OperationResult::Done] = results[..]
    else {
        panic!("{results:?}");
    };
    let row = |uuid| changes.iter().find(|change| change.uuid == uuid).unwrap().row.as_ref().unwrap();
    assert_eq!(row(port)["bindings"].value_of(&100.into()), Some(&Atom::Uuid(switch)));

    let mutations = vec![Mutation::delete("bindings", 100)];
    let mutate = Operation::Mutate { table: "Port", condition: vec![Condition::row(port)], mutations };
    assert_eq!(follower.client.transact(vec![mutate]).await.unwrap(), [OperationResult::Count(1)]);
    assert!(follower.changes().await[0].row.as_ref().unwrap()["bindings"].is_empty());
}

#[tokio::test]
async fn a_guard_keeps_the_work_of_another_writer() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let mut follower = Follower::of(&place.remote("a")).await;
    follower.client.transact(vec![insert("s1")]).await.unwrap();
    let update =
        |count: i64| Operation::Update { table: "Switch", condition: vec![], row: vec![("count", count.into())] };
    place.transact("a", &json!(["lab", {"op": "update", "table": "Switch", "where": [], "row": {"count": 1}}]));

    let refused = follower.client.transact(vec![guard("s1", 0), update(9)]).await;
    assert_eq!(refused, Err(TransactError::TimedOut { operation: 0 }));
    follower.client.transact(vec![guard("s1", 1), update(2)]).await.unwrap();
    while follower.rows("Switch").get("s1").is_none_or(|row| row["count"].integer() != Some(2)) {
        follower.changes().await;
    }
}

#[tokio::test]
async fn a_broken_rule_of_the_schema_is_reported_though_each_operation_was_fine() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let follower = Follower::of(&place.remote("a")).await;
    let error = follower.client.transact(vec![insert("s1"), insert("s1")]).await.unwrap_err();
    let TransactError::Constraint { error, details, operation: None } = error else { panic!("{error:?}") };
    assert_eq!(error, "constraint violation");
    assert!(details.contains("(s1) for index on column \"name\""), "{details}");

    let unknown = Operation::Insert { table: "Swich", row: vec![], uuid_name: None };
    let error = follower.client.transact(vec![insert("s2"), unknown]).await.unwrap_err();
    assert!(matches!(error, TransactError::Refused { operation: Some(1), .. }), "{error:?}");
    let range = Operation::Insert { table: "Port", row: vec![("tag", 4096.into())], uuid_name: None };
    let error = follower.client.transact(vec![range]).await.unwrap_err();
    assert!(matches!(error, TransactError::Constraint { operation: Some(0), .. }), "{error:?}");
}

#[tokio::test]
async fn many_transactions_at_once_are_each_answered() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let follower = Follower::of(&place.remote("a")).await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let client = follower.client.clone();
            // Every other one is refused: the name is taken.
            tokio::spawn(async move { client.transact(vec![insert(&format!("s{}", n / 2))]).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!(done, 100);
}

#[tokio::test]
async fn what_is_in_flight_when_the_connection_breaks_has_an_unknown_result() {
    let place = Place::new();
    let mut server = place.serve("a", SCHEMA, &[]);
    let mut follower = Follower::of(&place.remote("a")).await;
    let never = Operation::Wait {
        table: "Switch",
        condition: vec![],
        columns: vec!["name"],
        rows: vec![vec![("name", "s2".into())]],
        until_equal: true,
        timeout_ms: 3_600_000,
    };
    let client = follower.client.clone();
    let mut waiting = pin!(client.transact(vec![never]));
    // Once a later transaction is answered, the server has this one.
    tokio::select! {
        biased;
        outcome = &mut waiting => panic!("{outcome:?}"),
        outcome = follower.client.transact(vec![insert("s1")]) => drop(outcome.unwrap()),
    }
    server.kill();
    let reason = follower.down().await;
    assert_eq!(waiting.await, Err(TransactError::Down { reason }));
    let error = follower.client.transact(vec![insert("s2")]).await.unwrap_err();
    assert!(matches!(error, TransactError::Down { .. }), "{error:?}");
}
