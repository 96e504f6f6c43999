use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Change, Columns, Lock, RowError, ServerIdentity, TableSelect, Uuid, conversation::UNSENT, layout::tests::SCHEMA,
    server::WrongServer,
};

const PROBE: Duration = Duration::from_secs(5);
/// The longest message.
const LONGEST: usize = 32 << 20;
const ROW: &str = "00000000-0000-0000-0000-000000000001";
const TRANSACTION: &str = "00000000-0000-0000-0000-0000000000ff";

/// Decoder whose rows are the number of their columns.
struct Counts;

impl Decoder for Counts {
    type Row = usize;

    fn decode(&mut self, _: &str, _: Uuid, columns: &Columns) -> Result<usize, RowError> {
        Ok(columns.iter().count())
    }
}

/// A session and the replica behind it.
struct Bench {
    now: Instant,
    session: Session,
    replica: Replica<Counts>,
    outputs: Vec<Output<usize>>,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "any instant will do to start from")]
    fn new() -> Self {
        let tables = vec![TableSelect::new("Port", &["name", "tag", "peers", "ids", "gone"])];
        let remotes = "unix:/nowhere".parse().unwrap();
        let (database, tls, server) = ("d".to_owned(), None, ServerIdentity::default());
        let options = Options {
            remotes,
            database,
            tables,
            leader_only: true,
            probe: PROBE,
            tls,
            server,
            longest_message: LONGEST,
        };
        let now = Instant::now();
        let session = Session::new(now, "unix:/nowhere".into(), &options);
        Self { now, session, replica: Replica::new(Counts, &options.tables), outputs: Vec::new() }
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.session.receive(self.now, bytes, &mut self.replica, &mut self.outputs)
    }

    fn hear(&mut self, message: Value) -> Result<(), Failure> {
        self.receive(message.to_string().as_bytes())
    }

    fn answer(&mut self, id: u64, result: Value) {
        self.hear(json!({"id": id, "result": result, "error": null})).unwrap();
    }

    /// Returns the messages sent since the last call: methods, or `reply`.
    fn sent(&mut self) -> Vec<String> {
        let messages: Vec<Value> =
            serde_json::Deserializer::from_slice(self.session.unsent()).into_iter().map(Result::unwrap).collect();
        let count = self.session.unsent().len();
        self.session.sent(count);
        messages.iter().map(|message| message["method"].as_str().unwrap_or("reply").to_owned()).collect()
    }

    fn events(&mut self) -> Vec<Event<usize>> {
        let event = |output| match output {
            Output::Event(event) => event,
            other => panic!("{other:?}"),
        };
        self.outputs.drain(..).map(event).collect()
    }

    /// Runs the session until the complete contents are awaited, from a server without `_Server`.
    fn until_snapshot() -> Self {
        let mut bench = Self::new();
        bench.answer(1, json!(["d"]));
        bench.answer(2, serde_json::from_str(SCHEMA).unwrap());
        assert_eq!(bench.sent(), ["list_dbs", "get_schema", "monitor_cond_since"]);
        bench
    }

    /// Runs the session until changes are reported, with one row.
    fn until_live() -> Self {
        let mut bench = Self::until_snapshot();
        bench.answer(3, json!([false, TRANSACTION, {"Port": {ROW: {"initial": {"name": "a"}}}}]));
        assert_eq!(bench.events().len(), 2);
        bench
    }
}

fn update(monitor: u64, row: Value) -> Value {
    json!({"method": "update3", "params": [monitor, TRANSACTION, {"Port": {ROW: row}}], "id": null})
}

fn server(leader: bool) -> Value {
    let new = json!({"name": "d", "model": "clustered", "connected": true, "leader": leader});
    json!({"Database": {"1": {"new": new}}})
}

#[test]
fn a_snapshot_is_reported_with_what_the_schema_lacks() {
    let mut bench = Bench::until_snapshot();
    bench.answer(3, json!([false, TRANSACTION, {"Port": {ROW: {"initial": {"name": "a"}}}}]));
    let up =
        Event::Up { remote: "unix:/nowhere".into(), schema_version: "1.0.0".into(), missing: vec!["Port.gone".into()] };
    let row = Change { table: "Port".into(), uuid: ROW.parse().unwrap(), row: Some(4) };
    assert_eq!(bench.events(), [up, Event::Changes(vec![row])]);
    assert!(bench.session.live_since().is_some());
}

#[test]
fn a_change_before_the_snapshot_is_refused() {
    let failure = Bench::until_snapshot().hear(update(1, json!({"insert": {}}))).unwrap_err();
    assert!(matches!(failure, Failure::TooEarly), "{failure}");
}

#[test]
fn a_canceled_monitor_starts_over_and_its_last_words_are_ignored() {
    let mut bench = Bench::until_live();
    bench.hear(json!({"method": "monitor_canceled", "params": [1], "id": null})).unwrap();
    assert_eq!(bench.sent(), ["get_schema"]);
    bench.hear(update(1, json!({"delete": null}))).unwrap();
    bench.hear(json!({"method": "monitor_canceled", "params": [1], "id": null})).unwrap();
    assert_eq!((bench.sent().len(), bench.events().len()), (0, 0));
    assert!(bench.session.transact(bench.now, &[]).is_err());
}

#[test]
fn what_is_not_understood_makes_the_next_snapshot_complete() {
    let mut bench = Bench::until_live();
    assert!(bench.replica.last_transaction().is_some());
    assert!(matches!(bench.hear(update(1, json!({"rename": {}}))), Err(Failure::Unreadable { .. })));
    assert_eq!(bench.replica.last_transaction(), None);
}

#[test]
fn a_change_of_a_row_that_was_never_sent_is_not_understood() {
    let mut bench = Bench::until_live();
    let change = json!({"Port": {TRANSACTION: {"modify": {"name": "b"}}}});
    let change = json!({"method": "update3", "params": [1, TRANSACTION, change], "id": null});
    assert!(matches!(bench.hear(change), Err(Failure::UnknownRow(_))));
}

#[test]
fn a_server_that_stops_leading_is_left() {
    let mut bench = Bench::new();
    bench.answer(1, json!(["d", "_Server"]));
    assert_eq!(bench.sent(), ["list_dbs", "set_db_change_aware", "monitor"]);
    bench.answer(3, server(true));
    assert_eq!(bench.sent(), ["get_schema"]);
    let update = json!({"method": "update", "params": ["server", server(false)], "id": null});
    assert!(matches!(bench.hear(update), Err(Failure::WrongServer(WrongServer::NotLeader))));
}

#[test]
fn a_server_that_does_not_lead_is_not_asked_for_anything_else() {
    let mut bench = Bench::new();
    bench.answer(1, json!(["d", "_Server"]));
    bench.sent();
    let reply = json!({"id": 3, "result": server(false), "error": null});
    assert!(matches!(bench.hear(reply), Err(Failure::WrongServer(WrongServer::NotLeader))));
    assert_eq!(bench.sent().len(), 0);
}

#[test]
fn a_monitor_that_is_refused_for_another_reason_is_not_tried_in_an_older_way() {
    let mut bench = Bench::until_snapshot();
    let refusal = json!({"id": 3, "result": null, "error": {"error": "syntax error", "details": "no"}});
    let failure = bench.hear(refusal).unwrap_err();
    assert_eq!(failure.to_string(), "it refused monitor_cond_since: syntax error: no");
}

#[test]
fn silence_is_asked_about_and_ends_the_session() {
    let mut bench = Bench::until_live();
    assert_eq!(bench.session.deadline(), Some(bench.now + PROBE));
    bench.session.check(bench.now + PROBE).unwrap();
    assert_eq!(bench.sent(), ["echo"]);
    assert!(matches!(bench.session.check(bench.now + PROBE * 2), Err(Failure::Silent(_))));
}

#[test]
fn part_of_a_message_is_a_sign_of_life() {
    let mut bench = Bench::until_live();
    bench.now += PROBE;
    bench.receive(b"{\"id").unwrap();
    assert_eq!(bench.session.deadline(), Some(bench.now + PROBE));
}

#[test]
fn a_lock_is_requested_granted_and_stolen() {
    let mut bench = Bench::until_live();
    let lock = |bench: &mut Bench, request| bench.session.lock::<usize>(bench.now, "gw1", request);
    assert_eq!(lock(&mut bench, LockRequest::Wait), None);
    assert_eq!(bench.sent(), ["lock"]);
    bench.answer(4, json!({"locked": false}));
    bench.hear(json!({"method": "locked", "params": ["gw1"], "id": null})).unwrap();
    bench.hear(json!({"method": "stolen", "params": ["gw1"], "id": null})).unwrap();
    let states = [Lock::Waiting, Lock::Held, Lock::Stolen];
    assert_eq!(bench.events(), states.map(Event::Lock));
    assert_eq!(lock(&mut bench, LockRequest::Release), None);
    assert_eq!(bench.sent(), ["unlock"]);
}

#[test]
fn a_server_without_locks_is_written_to_without() {
    let mut bench = Bench::until_live();
    bench.session.lock::<usize>(bench.now, "gw1", LockRequest::Wait);
    bench.hear(json!({"id": 4, "result": null, "error": "unknown method"})).unwrap();
    assert_eq!(bench.events(), [Event::Lock(Lock::Unsupported)]);
}

#[test]
fn a_server_that_does_not_read_its_answers_is_left() {
    let mut bench = Bench::until_live();
    let echo = json!({"id": "echo", "method": "echo", "params": ["x".repeat(1 << 20)]}).to_string();
    let failure = (0..20).find_map(|_| bench.receive(echo.as_bytes()).err()).unwrap();
    assert!(matches!(failure, Failure::Deaf(UNSENT)), "{failure}");
    assert!(bench.session.unsent().len() <= UNSENT);
}

#[test]
fn one_echo_is_not_answered_whatever_its_length() {
    let mut bench = Bench::until_live();
    let echo = json!({"id": "echo", "method": "echo", "params": ["x".repeat(UNSENT)]}).to_string();
    assert!(matches!(bench.receive(echo.as_bytes()), Err(Failure::Deaf(_))));
}

#[test]
fn a_long_message_is_taken_only_once_the_schema_is_known() {
    let long = [b"{\"id\":\"".as_slice(), &vec![b'x'; LONGEST_OPENING]].concat();
    assert!(matches!(Bench::new().receive(&long), Err(Failure::Framing(_))));
    assert!(Bench::until_live().receive(&long).is_ok());
    let longer = [long.as_slice(), &vec![b'x'; LONGEST]].concat();
    assert!(matches!(Bench::until_live().receive(&longer), Err(Failure::Framing(_))));
}

#[test]
fn a_transaction_without_an_answer_ends_the_session_though_bytes_come() {
    let mut bench = Bench::until_live();
    bench.session.transact(bench.now, &[]).unwrap();
    bench.now += Duration::from_secs(59);
    bench.hear(json!({"id": "echo", "method": "echo", "params": []})).unwrap();
    bench.session.check(bench.now).unwrap();
    bench.now += Duration::from_secs(1);
    assert!(matches!(bench.session.check(bench.now), Err(Failure::Unanswered(_))));
}

#[test]
fn a_server_that_never_sends_its_schema_is_left_though_bytes_come() {
    let mut bench = Bench::new();
    bench.answer(1, json!(["d"]));
    for _ in 0..30 {
        bench.now += Duration::from_secs(2);
        bench.hear(json!({"id": "echo", "method": "echo", "params": []})).unwrap();
    }
    assert!(matches!(bench.session.check(bench.now), Err(Failure::Unanswered(_))));
}

/// Returns all messages that a server sends in a short session.
fn stream() -> Vec<u8> {
    let reply = |id: u64, result: Value| json!({"id": id, "result": result, "error": null});
    let whole = json!({"name": "a", "tag": 5, "peers": ["set", ["x", "y"]], "ids": ["map", [["k", "v"]]]});
    let change = json!({"name": "b", "tag": ["set", []], "peers": "x", "ids": ["map", [["k", "w"]]]});
    let messages = [
        reply(1, json!(["d", "_Server"])),
        reply(2, json!({})),
        reply(3, server(true)),
        reply(4, serde_json::from_str(SCHEMA).unwrap()),
        reply(5, json!([false, TRANSACTION, {"Port": {ROW: {"initial": whole}}}])),
        json!({"id": "echo", "method": "echo", "params": []}),
        update(1, json!({ "modify": change })),
        update(1, json!({"delete": null})),
        json!({"method": "monitor_canceled", "params": [1], "id": null}),
    ];
    messages.iter().map(Value::to_string).collect::<String>().into_bytes()
}

proptest! {
    #[test]
    fn a_garbled_server_does_no_harm(
        garbled in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        size in 1..200_usize,
    ) {
        let mut stream = stream();
        for (at, byte) in garbled {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        let mut bench = Bench::new();
        let _understood = stream.chunks(size).try_for_each(|bytes| bench.receive(bytes));
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _understood = Bench::new().receive(&[b"{\"id\":1,\"result\":", bytes.as_slice()].concat());
    }
}

#[test]
fn the_stream_that_is_garbled_is_good() {
    let mut bench = Bench::new();
    bench.receive(&stream()).unwrap();
    assert_eq!(bench.events().len(), 4);
}
