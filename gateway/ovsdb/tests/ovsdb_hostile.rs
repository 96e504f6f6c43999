//! Memory that a hostile server can cost, measured in a process of its own.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

use std::{fs, io::Write, net::TcpListener, thread, time::Duration};

use gateway_ovsdb::{Columns, Decoder, Event, Options, RowError, ServerIdentity, TableSelect, Uuid, open};
use tokio::time::timeout;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ovsdb/lab.ovsschema");
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

struct Names;

impl Decoder for Names {
    type Row = usize;

    fn decode(&mut self, _: &str, _: Uuid, columns: &Columns) -> Result<usize, RowError> {
        Ok(columns.iter().count())
    }
}

/// Memory of this process at most so far, in MiB.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

/// Follows a server that sends `parts` after a good start, again and again if it is `endless`, and never reads. Returns why it
/// was left, or nothing if the last part was reported as a change.
async fn follow(parts: Vec<(usize, &'static str)>, endless: bool) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = format!("tcp:{}", listener.local_addr().unwrap());
    let schema = fs::read_to_string(SCHEMA).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let zero = Uuid::ZERO;
        let opening = format!(
            r#"{{"id":1,"result":["lab"]}}{{"id":2,"result":{schema}}}{{"id":3,"result":[false,"{zero}",{{}}]}}"#
        );
        stream.write_all(opening.as_bytes()).unwrap();
        loop {
            for (count, part) in &parts {
                let block = part.repeat(4096);
                let (blocks, rest) = (count / 4096, count % 4096);
                let mut write = |text: &str| stream.write_all(text.as_bytes()).is_ok();
                let fine = (0..blocks).all(|_| write(&block)) && (0..rest).all(|_| write(part));
                if !fine {
                    return;
                }
            }
            if !endless {
                // Until the client has left: what it has not read yet must not be lost.
                let _left = std::io::copy(&mut stream, &mut std::io::sink());
                return;
            }
        }
    });
    let options = Options {
        remotes: remote.parse().unwrap(),
        database: "lab".to_owned(),
        tables: vec![TableSelect::new("Switch", &["name"])],
        leader_only: false,
        probe: Duration::from_secs(5),
        tls: None,
        server: ServerIdentity::default(),
        longest_message: 128 * MIB,
    };
    let (_client, mut events, driver) = open(options, Names).unwrap();
    let following = async {
        loop {
            match events.recv().await.unwrap() {
                Event::Changes(changes) if !changes.is_empty() => return None,
                Event::Down { reason, .. } => return Some(reason),
                _ => {}
            }
        }
    };
    let driver = Box::pin(driver);
    let outcome = timeout(PATIENCE, async {
        tokio::select! {
            outcome = following => outcome,
            () = driver => panic!("the driver has ended"),
        }
    });
    let outcome = outcome.await.unwrap();
    // The driver has gone, and its connection with it.
    drop(events);
    server.join().unwrap();
    outcome
}

#[tokio::test]
async fn a_hostile_server_costs_a_bounded_amount_of_memory() {
    let before = peak();
    // Echoes that are never read. Each is small, there is no end to them.
    let echo = r#"{"id":"echo","method":"echo","params":["0123456789012345678901234567890123456789"]}"#;
    let left = follow(vec![(1, echo)], true).await.unwrap();
    assert!(left.contains("does not read"), "{left}");
    let echoes = peak() - before;
    println!("echoes: {echoes} MiB");
    assert!(echoes < 64, "{echoes} MiB");

    // The id of a monitor as a tree of ten million arrays, 30 MiB of text.
    let last = r#"[]],{}]}{"id":null,"method":"update2","params":[1,{"Switch":{"00000000-0000-0000-0000-000000000001":{"insert":{}}}}]}"#;
    let bomb = vec![(1, r#"{"id":null,"method":"update2","params":[["#), (10 * MIB, "[],"), (1, last)];
    let reason = follow(bomb, false).await;
    assert_eq!(reason, None, "it is no monitor of ours, and what comes after it is taken");
    let tree = peak() - before;
    println!("an id of {} MiB: {tree} MiB", 30);
    assert!(tree < 128, "{tree} MiB");

    // A message without an end.
    let endless = vec![(1, r#"{"id":null,"method":"update2","params":[1,""#), (200 * MIB, "x")];
    let left = follow(endless, false).await.unwrap();
    assert!(left.contains("more than 134217728 bytes"), "{left}");
    let text = peak() - before;
    println!("a message without an end: {text} MiB");
    assert!(text < 320, "{text} MiB");
}
