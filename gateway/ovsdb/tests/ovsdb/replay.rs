//! Recorded conversations with `ovsdb-server` 3.1, each with the events that the client has to report.
//!
//! In the files of `recorded/`, a line that starts with `>` is a message of the client, with `<` one of the server, with `=`
//! an event; `x` is the end of a connection. `cargo test --test ovsdb record -- --ignored` records them again.

use std::{collections::VecDeque, fmt::Write as _, fs};

use gateway_ovsdb::Event;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
};

use crate::{
    cluster::Cluster,
    follower::{Follower, Row, options},
    lab::{PATIENCE, Place, SCHEMA, run},
    proxy::{Messages, Proxy, Transcript},
};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ovsdb/recorded");

/// An event as a line; `None` for one that is not compared.
fn line(event: &Event<Row>) -> Option<String> {
    match event {
        Event::Up { schema_version, missing, .. } => Some(format!("= up {schema_version}, missing {missing:?}")),
        Event::Changes(changes) => {
            let mut reported = json!({});
            for change in changes {
                reported[&*change.table][change.uuid.to_string()] = json!(change.row);
            }
            Some(format!("= {reported}"))
        }
        Event::BadRow { table, uuid, error } => Some(format!("= bad {table} {uuid}: {error}")),
        Event::Down { .. } | Event::Lock(_) => None,
    }
}

/// Plays the server of a recording, and compares what is asked for.
async fn play(listener: UnixListener, recording: String) {
    let mut connection: Option<(UnixStream, Messages)> = None;
    for line in recording.lines() {
        let (kind, text) = line.split_at(1);
        if kind == "x" {
            connection = None;
            continue;
        }
        let (stream, messages) = match &mut connection {
            Some(connection) => connection,
            None => connection.insert((listener.accept().await.unwrap().0, Messages::default())),
        };
        match kind {
            ">" => {
                let asked = messages.next(stream).await.unwrap();
                assert_eq!(asked, serde_json::from_str::<Value>(text).unwrap());
            }
            "<" => stream.write_all(text.as_bytes()).await.unwrap(),
            _ => {}
        }
    }
    // The client stays connected until the test is over.
    std::future::pending::<()>().await;
}

async fn replay(name: &str) {
    let recording = fs::read_to_string(format!("{RECORDED}/{name}.txt")).unwrap();
    let expected: Vec<_> = recording.lines().filter(|line| line.starts_with('=')).map(str::to_owned).collect();
    let place = Place::new();
    let listener = UnixListener::bind(place.file("a.sock")).unwrap();
    let mut server = tokio::spawn(play(listener, recording));
    let mut follower = Follower::new(options(&place.remote("a")));
    let mut reported = Vec::new();
    while reported.len() < expected.len() {
        tokio::select! {
            event = follower.next() => reported.extend(line(&event)),
            failed = &mut server => failed.unwrap(),
        }
    }
    assert_eq!(reported, expected);
    server.abort();
}

#[tokio::test]
async fn rows_that_come_change_and_go() {
    replay("changes").await;
}

#[tokio::test]
async fn a_cluster_sends_only_what_happened_since() {
    replay("since").await;
}

#[tokio::test]
async fn a_schema_that_changes() {
    replay("convert").await;
}

#[tokio::test]
async fn a_server_without_monitor_cond_since() {
    replay("monitor_cond").await;
}

#[tokio::test]
async fn a_server_without_monitor_cond() {
    replay("monitor").await;
}

/// A follower whose conversation is recorded.
struct Recorder {
    proxy: Proxy,
    follower: Follower,
    /// Reported lines, each with the number of messages before it.
    reported: VecDeque<(usize, String)>,
}

impl Recorder {
    fn new(place: &Place, replace: &'static [(&'static str, &'static str)]) -> Self {
        let proxy = Proxy::new(place.file("door.sock"), place.file("a.sock"), replace);
        let follower = Follower::new(options(&place.remote("door")));
        Self { proxy, follower, reported: VecDeque::new() }
    }

    /// Waits for this many events more that are compared.
    async fn hear(&mut self, count: usize) {
        let until = self.reported.len() + count;
        while self.reported.len() < until {
            let event = self.follower.next().await;
            self.reported.extend(line(&event).map(|line| (self.proxy.transcript().len(), line)));
        }
    }

    fn write(mut self, name: &str) {
        let transcript: Transcript = self.proxy.transcript();
        let mut text = String::new();
        for at in 0..=transcript.len() {
            while let Some((_, reported)) = self.reported.pop_front_if(|(after, _)| *after <= at) {
                writeln!(text, "{reported}").unwrap();
            }
            match transcript.get(at) {
                Some(('x', _)) => text.push_str("x\n"),
                Some((who, message)) => writeln!(text, "{who} {message}").unwrap(),
                None => {}
            }
        }
        fs::write(format!("{RECORDED}/{name}.txt"), text).unwrap();
    }
}

fn insert(switch: &str, port: &str) -> Value {
    json!(["lab",
        {"op": "insert", "table": "Switch", "row": {"name": switch, "load": 1}, "uuid-name": "s"},
        {"op": "insert", "table": "Port", "row": {"name": port, "peers": ["set", ["a", "b"]],
            "bindings": ["map", [[100, ["named-uuid", "s"]]]]}}])
}

fn change() -> Value {
    json!(["lab",
        {"op": "update", "table": "Switch", "where": [], "row": {"count": 5}},
        {"op": "mutate", "table": "Port", "where": [],
            "mutations": [["peers", "delete", "a"], ["peers", "insert", "c"], ["bindings", "delete", 100]]}])
}

/// A snapshot, a transaction with new rows, one with changes, one with deletions.
async fn record_life(name: &str, replace: &'static [(&'static str, &'static str)]) {
    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    place.transact("a", &insert("s1", "p1"));
    let mut recorder = Recorder::new(&place, replace);
    recorder.hear(2).await;
    for transaction in [insert("s2", "p2"), change(), json!(["lab", {"op": "delete", "table": "Port", "where": []}])] {
        place.transact("a", &transaction);
        recorder.hear(1).await;
    }
    recorder.write(name);
}

#[tokio::test]
#[ignore = "records the conversations again"]
async fn record() {
    record_life("changes", &[]).await;
    record_life("monitor_cond", &[("monitor_cond_since", "monitor_none")]).await;
    record_life("monitor", &[("monitor_cond_since", "monitor_none"), ("monitor_cond", "monitor_none")]).await;

    let place = Place::new();
    let _server = place.serve("a", SCHEMA, &[]);
    place.transact("a", &insert("s1", "p1"));
    let mut recorder = Recorder::new(&place, &[]);
    recorder.hear(2).await;
    let schema = fs::read_to_string(SCHEMA).unwrap().replace("\"count\"", "\"number\"");
    fs::write(place.file("new.ovsschema"), schema).unwrap();
    run("ovsdb-client", &["convert", &place.remote("a"), &place.file("new.ovsschema")]);
    recorder.hear(2).await;
    recorder.write("convert");

    let cluster = Cluster::new();
    let place = &cluster.place;
    place.transact("a", &insert("s1", "p1"));
    let mut recorder = Recorder::new(place, &[]);
    recorder.hear(2).await;
    recorder.proxy.shut();
    place.transact("a", &insert("s2", "p2"));
    recorder.proxy.open();
    recorder.hear(2).await;
    place.transact("a", &change());
    recorder.hear(1).await;
    recorder.write("since");
}

/// The same on a real cluster: what happened while the door was shut, and no more, is sent.
#[tokio::test]
async fn after_a_break_a_cluster_is_caught_up_with() {
    let cluster = Cluster::new();
    cluster.place.transact("a", &insert("s1", "p1"));
    let mut recorder = Recorder::new(&cluster.place, &[]);
    recorder.hear(2).await;
    recorder.proxy.shut();
    cluster.place.transact("a", &insert("s2", "p2"));
    recorder.proxy.open();
    tokio::time::timeout(PATIENCE, recorder.hear(2)).await.unwrap();
    assert_eq!(recorder.follower.rows("Switch").into_keys().collect::<Vec<_>>(), ["s1", "s2"]);

    let transcript = recorder.proxy.transcript();
    let snapshots: Vec<_> =
        transcript.iter().filter(|(who, message)| *who == '<' && message["result"][0].is_boolean()).collect();
    let rows = |at: usize| snapshots[at].1["result"][2]["Switch"].as_object().map(serde_json::Map::len);
    assert_eq!((&snapshots[0].1["result"][0], rows(0)), (&json!(false), Some(1)));
    assert_eq!((&snapshots[1].1["result"][0], rows(1)), (&json!(true), Some(1)));
}
