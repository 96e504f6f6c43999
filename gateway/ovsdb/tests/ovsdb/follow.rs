//! Following tables.

use gateway_ovsdb::{Atom, Condition, Datum, Event, Operation};
use serde_json::json;

use crate::{
    follower::{Follower, options},
    lab::{Place, SCHEMA},
};

fn inserted(table: &str, row: serde_json::Value) -> serde_json::Value {
    json!(["lab", {"op": "insert", "table": table, "row": row}])
}

#[tokio::test]
async fn the_first_snapshot_is_complete_with_defaults_and_without_what_the_schema_lacks() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    place.transact("a", &inserted("Switch", json!({"name": "s1", "count": 7, "load": 2})));
    place.transact("a", &inserted("Port", json!({"name": "p1", "peers": ["set", ["y", "x"]]})));

    let mut follower = Follower::new(options(&place.remote("a")));
    assert_eq!(follower.up().await, (place.remote("a"), vec!["Port.colour".to_owned(), "Router".to_owned()]));
    assert_eq!(follower.changes().await.len(), 2);
    let switch = follower.rows("Switch")["s1"];
    assert_eq!((&switch["count"], &switch["load"]), (&Datum::from(7), &Datum::from(2.0)));
    let port = follower.rows("Port")["p1"];
    let nothing = Datum::map::<i64, i64>([]);
    assert_eq!((&port["tag"], &port["up"], &port["bindings"]), (&Datum::EMPTY, &Datum::from(false), &nothing));
    assert_eq!(port["peers"], Datum::set(["x", "y"]));
    assert!(!port.contains_key("colour"));
}

#[tokio::test]
async fn changes_are_reported_as_they_happen() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let mut follower = Follower::of(&place.remote("a")).await;

    place.transact(
        "a",
        &json!(["lab",
            {"op": "insert", "table": "Switch", "row": {"name": "s1"}, "uuid-name": "s"},
            {"op": "insert", "table": "Port", "row": {"name": "p1", "tag": 5, "peers": ["set", ["a", "b"]],
                "ids": ["map", [["k", "1"], ["l", "2"]]], "bindings": ["map", [[100, ["named-uuid", "s"]]]]}}]),
    );
    assert_eq!(follower.changes().await.len(), 2);
    let switch = follower.uuid("Switch", "s1");
    assert_eq!(follower.rows("Port")["p1"]["bindings"].value_of(&Atom::Integer(100)), Some(&Atom::Uuid(switch)));

    place.transact(
        "a",
        &json!(["lab",
            {"op": "update", "table": "Port", "where": [], "row": {"tag": ["set", []]}},
            {"op": "mutate", "table": "Port", "where": [], "mutations": [["peers", "delete", "a"], ["peers", "insert", "c"],
                ["ids", "delete", ["set", ["k", "l"]]], ["ids", "insert", ["map", [["l", "3"], ["m", "4"]]]]]}]),
    );
    assert_eq!(follower.changes().await.len(), 1);
    let port = follower.rows("Port")["p1"];
    assert_eq!((&port["tag"], &port["peers"]), (&Datum::EMPTY, &Datum::set(["b", "c"])));
    assert_eq!(port["ids"], Datum::map([("l", "3"), ("m", "4")]));

    place.transact("a", &json!(["lab", {"op": "delete", "table": "Port", "where": []}]));
    let changes = follower.changes().await;
    assert!(changes[0].row.is_none());
    assert!(follower.rows("Port").is_empty());
}

#[tokio::test]
async fn no_transaction_is_ever_seen_in_half() {
    const TRANSACTIONS: i64 = 300;
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    for name in ["s1", "s2"] {
        place.transact("a", &inserted("Switch", json!({ "name": name })));
    }
    let writer = Follower::of(&place.remote("a")).await;
    let mut follower = Follower::of(&place.remote("a")).await;
    let writing = tokio::spawn(async move {
        for count in 1..=TRANSACTIONS {
            let set = |name: &str| Operation::Update {
                table: "Switch",
                condition: vec![Condition::eq("name", name)],
                row: vec![("count", count.into())],
            };
            writer.client.transact(vec![set("s1"), set("s2")]).await.unwrap();
        }
    });
    let mut count = 0;
    while count < TRANSACTIONS {
        follower.changes().await;
        let rows = follower.rows("Switch");
        let counts = ["s1", "s2"].map(|name| rows[name]["count"].integer().unwrap());
        assert_eq!(counts[0], counts[1]);
        assert!(counts[0] > count);
        count = counts[0];
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_bad_row_is_named_and_all_others_are_there() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    for name in ["s1", "bad", "s2"] {
        place.transact("a", &inserted("Switch", json!({ "name": name })));
    }
    let mut follower = Follower::new(options(&place.remote("a")));
    follower.up().await;
    let bad = follower.next().await;
    assert!(matches!(&bad, Event::BadRow { table, error, .. } if &**table == "Switch" && error.column == "name"));
    follower.changes().await;
    assert_eq!(follower.rows("Switch").into_keys().collect::<Vec<_>>(), ["s1", "s2"]);
}

#[tokio::test]
async fn a_changed_schema_starts_over_and_reports_what_is_different() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    place.transact("a", &inserted("Port", json!({"name": "p1"})));
    let mut follower = Follower::of(&place.remote("a")).await;
    assert!(!follower.rows("Port")["p1"].contains_key("colour"));

    let schema = std::fs::read_to_string(SCHEMA).unwrap();
    let mut schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    schema["version"] = json!("1.1.0");
    schema["tables"]["Port"]["columns"]["colour"] = json!({"type": "string"});
    std::fs::write(place.file("new.ovsschema"), schema.to_string()).unwrap();
    crate::lab::run("ovsdb-client", &["convert", &place.remote("a"), &place.file("new.ovsschema")]);

    let event = follower.next().await;
    assert!(matches!(&event, Event::Up { schema_version, .. } if schema_version == "1.1.0"), "{event:?}");
    assert_eq!(follower.changes().await.len(), 1);
    assert_eq!(follower.rows("Port")["p1"]["colour"], Datum::from(""));
}
