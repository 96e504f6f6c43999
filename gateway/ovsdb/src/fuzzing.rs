//! Entry points of the fuzz targets in `gateway/fuzz`.

use std::time::{Duration, Instant};

use super::{
    Columns, Decoder, Event, Options, RowError, ServerIdentity, TableSelect, Uuid,
    replica::Replica,
    session::Session,
    update::{self, Format},
};

const SCHEMA: &str = r#"{"name":"d","version":"1.0.0","tables":{"T":{"columns":{
    "name":{"type":"string"},
    "tag":{"type":{"key":"integer","min":0,"max":1}},
    "load":{"type":"real"},
    "up":{"type":"boolean"},
    "peers":{"type":{"key":"string","min":0,"max":"unlimited"}},
    "bindings":{"type":{"key":"integer","value":"uuid","min":0,"max":"unlimited"}}}}}}"#;

/// Decoder that keeps each row as it was received.
struct AsTheyAre;

impl Decoder for AsTheyAre {
    type Row = Columns;

    fn decode(&mut self, _: &str, _: Uuid, columns: &Columns) -> Result<Columns, RowError> {
        Ok(columns.clone())
    }
}

fn tables() -> Vec<TableSelect> {
    vec![TableSelect::new("T", &["name", "tag", "load", "up", "peers", "bindings", "gone"])]
}

/// Feeds `bytes` as messages of a server that has answered the first requests correctly. The first byte is the size of
/// reads.
#[expect(clippy::disallowed_methods, reason = "any instant will do to start from")]
pub fn session(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let (remotes, now) = ("unix:/nowhere".parse().expect("a remote"), Instant::now());
    let (database, probe) = ("d".to_owned(), Duration::from_secs(5));
    let (server, longest_message) = (ServerIdentity::default(), 64 << 20);
    let options =
        Options { remotes, database, tables: tables(), leader_only: true, probe, tls: None, server, longest_message };
    let (mut replica, mut outputs) = (Replica::new(AsTheyAre, &options.tables), Vec::new());
    let mut session = Session::new(now, String::new(), &options);
    let opening = format!(
        r#"{{"id":1,"result":["d"]}}{{"id":2,"result":{SCHEMA}}}{{"id":3,"result":[false,"{}",{{}}]}}"#,
        Uuid::ZERO
    );
    session.receive(now, opening.as_bytes(), &mut replica, &mut outputs).expect("a good start");
    for bytes in bytes.chunks(usize::from(size) + 1) {
        if session.receive(now, bytes, &mut replica, &mut outputs).is_err() {
            return;
        }
    }
}

/// Applies updates of a table, one a line, one after the other. Complete contents sent at the end must make no
/// difference.
pub fn rows(updates: &str) {
    let mut replica = Replica::new(AsTheyAre, &tables());
    replica.set_layout(replica.layout().with(&serde_json::from_str(SCHEMA).expect("a schema")));
    for json in updates.lines() {
        let Ok(json) = serde_json::from_str(json) else { continue };
        let Ok(updates) = update::read(json, replica.layout(), Format::Difference) else { continue };
        let _fitting = replica.apply(updates);
    }
    let whole = replica.whole();
    assert!(matches!(replica.replace(whole).as_slice(), [Event::Changes(changes)] if changes.is_empty()));
}
