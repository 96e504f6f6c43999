//! Connections that fail, and servers that are not the right one.

use std::time::Duration;

use gateway_ovsdb::{Cause, Condition, Event, Operation};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    follower::{Follower, options},
    lab::{Place, SCHEMA},
};

fn insert(name: &str) -> serde_json::Value {
    json!(["lab", {"op": "insert", "table": "Switch", "row": { "name": name }}])
}

#[tokio::test]
async fn after_a_crash_only_what_changed_is_reported() {
    let place = Place::new();
    let mut server = place.serve("a", SCHEMA, &[]);
    for name in ["s1", "s2", "s3"] {
        place.transact("a", &insert(name));
    }
    let mut follower = Follower::of(&place.remote("a")).await;
    server.kill();
    follower.down_because("closed").await;
    assert_eq!(follower.rows("Switch").len(), 3);

    // Behind the client's back: with a server that it doesn't know.
    std::fs::copy(place.file("a.db"), place.file("b.db")).unwrap();
    let other = place.serve_made("b", &[]);
    let at = |name: &str| json!([["name", "==", name]]);
    place.transact(
        "b",
        &json!(["lab",
            {"op": "delete", "table": "Switch", "where": at("s1")},
            {"op": "update", "table": "Switch", "where": at("s2"), "row": {"count": 5}},
            {"op": "insert", "table": "Switch", "row": {"name": "s4"}}]),
    );
    drop(other);
    std::fs::copy(place.file("b.db"), place.file("a.db")).unwrap();
    server.restart();
    follower.up().await;
    assert_eq!(follower.changes().await.len(), 3);
    let counts: Vec<_> = follower.rows("Switch").iter().map(|(name, row)| (*name, row["count"].integer())).collect();
    assert_eq!(counts, [("s2", Some(5)), ("s3", Some(0)), ("s4", Some(0))]);

    server.restart();
    follower.up().await;
    assert_eq!(follower.changes().await, []);
}

#[tokio::test]
async fn a_server_that_stands_still_is_left_and_followed_again() {
    let place = Place::new();
    let server = place.serve("a", SCHEMA, &[]);
    let mut follower =
        Follower::new(gateway_ovsdb::Options { probe: Duration::from_millis(300), ..options(&place.remote("a")) });
    follower.up().await;
    follower.changes().await;
    server.freeze();
    follower.down_because("silent").await;
    server.thaw();
    follower.up().await;
    assert_eq!(follower.changes().await, []);
}

#[tokio::test]
async fn a_quiet_server_that_answers_is_kept() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let probe = Duration::from_millis(50);
    let mut follower = Follower::new(gateway_ovsdb::Options { probe, ..options(&place.remote("a")) });
    follower.up().await;
    follower.changes().await;
    // Many probes later.
    tokio::time::sleep(probe * 20).await;
    place.transact("a", &insert("s1"));
    assert_eq!(follower.changes().await.len(), 1);
}

#[tokio::test]
async fn a_server_that_probes_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _follower = Follower::new(options(&format!("tcp:{}", listener.local_addr().unwrap())));
    let (mut stream, _) = listener.accept().await.unwrap();
    stream
        .write_all(br#"{"id":"echo","method":"echo","params":[1]}{"id":2,"method":"who","params":[]}"#)
        .await
        .unwrap();
    let mut said = String::new();
    while !said.contains("unknown method") {
        let mut bytes = [0; 1000];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "{said}");
        said.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(said.contains(r#"{"id":"echo","result":[1],"error":null}"#), "{said}");
}

/// Messages of a server up to its first changes.
fn opening() -> String {
    let schema = std::fs::read_to_string(SCHEMA).unwrap();
    let zero = "00000000-0000-0000-0000-000000000000";
    format!(r#"{{"id":1,"result":["lab"]}}{{"id":2,"result":{schema}}}{{"id":3,"result":[false,"{zero}",{{}}]}}"#)
}

/// Pretends to be a server, sends without end, and never reads.
async fn babbler(listener: TcpListener, babble: Vec<u8>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut fine = stream.write_all(opening().as_bytes()).await.is_ok();
        while fine {
            fine = stream.write_all(&babble).await.is_ok();
        }
    }
}

#[tokio::test]
async fn a_server_that_asks_for_echoes_and_does_not_read_them_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = format!("tcp:{}", listener.local_addr().unwrap());
    let echo = format!(r#"{{"id":"echo","method":"echo","params":["{}"]}}"#, "x".repeat(60_000));
    let server = tokio::spawn(babbler(listener, echo.into_bytes()));
    let mut follower = Follower::new(options(&remote));
    follower.down_because("does not read").await;
    server.abort();
}

/// A poll takes one read at most, however much there is: whatever else runs on this thread has its turn in between.
#[tokio::test]
async fn a_server_that_never_stops_talking_leaves_room_for_others() {
    const READ: usize = 64 << 10;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = format!("tcp:{}", listener.local_addr().unwrap());
    let talk = r#"{"id":null,"method":"update","params":["other",{}]}"#.repeat(100_000);
    let length = talk.len();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let row = r#"{"Switch":{"00000000-0000-0000-0000-000000000001":{"insert":{"name":"s1"}}}}"#;
        let last = format!(r#"{{"id":null,"method":"update2","params":[1,{row}]}}"#);
        let all = [opening().as_str(), &talk, &last].concat();
        std::io::Write::write_all(&mut stream, all.as_bytes()).unwrap();
        stream
    });
    let (_client, mut events, driver) = gateway_ovsdb::open(options(&remote), crate::follower::AsTheyAre).unwrap();
    // Without the runtime's own bound, which is 128 reads.
    let mut driver = std::pin::pin!(tokio::task::unconstrained(driver));
    let mut polls = 0;
    let reported = std::future::poll_fn(|context| {
        polls += 1;
        assert!(driver.as_mut().poll(context).is_pending());
        let reported = std::iter::from_fn(|| events.try_recv());
        let is_last = |event: Event<_>| matches!(event, Event::Changes(changes) if !changes.is_empty());
        if reported.into_iter().any(is_last) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    tokio::time::timeout(crate::lab::PATIENCE, reported).await.unwrap();
    assert!(polls >= length / READ, "{polls} polls for {length} bytes");
    drop(server.join().unwrap());
}

#[tokio::test]
async fn a_server_without_the_database_is_asked_again_until_it_has_it() {
    let place = Place::new();
    let _server = place.serve("a", "/usr/share/openvswitch/vswitch.ovsschema", &[]);
    let mut follower = Follower::new(options(&place.remote("a")));
    follower.down_because("it has no database lab, but Open_vSwitch").await;
    crate::lab::run("ovsdb-tool", &["create", &place.file("lab.db"), SCHEMA]);
    place.control("a", &["ovsdb-server/add-db", &place.file("lab.db")]);
    follower.up().await;
    follower.changes().await;
    place.control("a", &["ovsdb-server/remove-db", "lab"]);
    follower.down_because("no database lab").await;
}

#[tokio::test]
async fn what_is_no_database_server_is_named_and_the_next_one_taken() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = format!("tcp:{}", listener.local_addr().unwrap());
    let gone = format!("unix:{}", place.file("gone.sock"));
    let mut follower = Follower::new(options(&format!("{web},{gone},{}", place.remote("a"))));
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();

    let event = follower.next().await;
    let Event::Down { remote, reason, cause } = event else { panic!("{event:?}") };
    assert_eq!((remote, cause), (web, Cause::Protocol));
    assert!(reason.contains("does not speak JSON-RPC, but sent \"HTTP/1.1"), "{reason}");
    let event = follower.next().await;
    let Event::Down { remote, reason, cause } = event else { panic!("{event:?}") };
    assert_eq!((remote, cause), (gone, Cause::Unreachable));
    assert!(reason.contains("No such file"), "{reason}");
    assert_eq!(follower.up().await.0, place.remote("a"));
}

#[tokio::test]
async fn tcp_does_what_a_socket_does() {
    let place = Place::new();
    let server = place.serve("a", SCHEMA, &["--remote=ptcp:0:127.0.0.1"]);
    let mut follower = Follower::of(&format!("tcp:127.0.0.1:{}", server.port())).await;
    let row = vec![("name", "s1".into())];
    follower.client.transact(vec![Operation::Insert { table: "Switch", row, uuid_name: None }]).await.unwrap();
    follower.changes().await;
    let delete = Operation::Delete { table: "Switch", condition: vec![Condition::eq("name", "s1")] };
    follower.client.transact(vec![delete]).await.unwrap();
    follower.changes().await;
    assert!(follower.rows("Switch").is_empty());
}

#[tokio::test]
async fn the_driver_ends_when_nobody_follows() {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    for remote in [place.remote("a"), format!("unix:{}", place.file("gone.sock"))] {
        let (_client, mut events, driver) = gateway_ovsdb::open(options(&remote), crate::follower::AsTheyAre).unwrap();
        let driver = tokio::spawn(driver);
        events.recv().await.unwrap();
        drop(events);
        tokio::time::timeout(crate::lab::PATIENCE, driver).await.unwrap().unwrap();
    }
}
