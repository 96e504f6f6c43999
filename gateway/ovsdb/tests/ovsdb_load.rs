//! The OVSDB client with a large table, in a process of its own: its memory is looked at.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

use std::{fs, time::Duration};

use gateway_ovsdb::{Atom, Datum, Event, Operation, Options, ServerIdentity, TableSelect, Uuid, open};
use lab::{PATIENCE, Place};
use tokio::time::timeout;

#[path = "ovsdb/lab.rs"]
mod lab;

const SCHEMA: &str = "/usr/share/openvswitch/vtep.ovsschema";
const ROWS: usize = 100_000;
const BATCH: usize = 10_000;

/// The columns that a gateway needs of a row of `Ucast_Macs_Remote`.
struct Macs;

#[derive(Clone, PartialEq)]
struct Mac {
    mac: [u8; 6],
    switch: Uuid,
    locator: Uuid,
}

impl gateway_ovsdb::Decoder for Macs {
    type Row = Mac;

    fn decode(&mut self, _: &str, _: Uuid, columns: &gateway_ovsdb::Columns) -> Result<Mac, gateway_ovsdb::RowError> {
        let mut mac = [0; 6];
        let text = columns.get("MAC").and_then(Datum::string).unwrap();
        for (byte, digits) in mac.iter_mut().zip(text.split(':')) {
            *byte = u8::from_str_radix(digits, 16).unwrap();
        }
        let uuid = |name| columns.get(name).and_then(Datum::uuid).unwrap();
        Ok(Mac { mac, switch: uuid("logical_switch"), locator: uuid("locator") })
    }
}

fn options(remote: &str, tables: Vec<TableSelect>) -> Options {
    let (remotes, database, probe) = (remote.parse().unwrap(), "hardware_vtep".into(), Duration::from_secs(5));
    Options {
        remotes,
        database,
        tables,
        leader_only: false,
        probe,
        tls: None,
        server: ServerIdentity::default(),
        longest_message: 256 << 20,
    }
}

fn macs() -> Vec<TableSelect> {
    vec![TableSelect::new("Ucast_Macs_Remote", &["MAC", "logical_switch", "locator", "ipaddr"])]
}

/// Adds rows `from..to`, all of one switch and behind one locator, as a controller does.
fn inserts(from: usize, to: usize) -> Vec<Operation> {
    let named = |name: &str| Datum::from(Atom::named(name));
    let insert = |table, row, name: Option<&str>| Operation::Insert { table, row, uuid_name: name.map(str::to_owned) };
    let switch = vec![("name", format!("ls{from}").into())];
    let locator =
        vec![("encapsulation_type", "vxlan_over_ipv4".into()), ("dst_ip", format!("10.0.{}.1", from % 251).into())];
    let mut operations =
        vec![insert("Logical_Switch", switch, Some("ls")), insert("Physical_Locator", locator, Some("pl"))];
    operations.extend((from..to).map(|n| {
        let mac = format!("02:00:00:{:02x}:{:02x}:{:02x}", n >> 16, n >> 8 & 0xff, n & 0xff);
        let row = vec![("MAC", mac.into()), ("logical_switch", named("ls")), ("locator", named("pl"))];
        insert("Ucast_Macs_Remote", row, None)
    }));
    operations
}

/// Memory of this process, in MiB: now, and at most so far.
fn memory() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}

async fn next(events: &mut gateway_ovsdb::Events<Mac>) -> Event<Mac> {
    timeout(PATIENCE, events.recv()).await.expect("an event within the patience").unwrap()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "prints how long it took; nothing depends on it")]
async fn a_hundred_thousand_macs_fit() {
    let place = Place::new();
    let mut server = place.serve("a", SCHEMA, &[]);
    {
        let (writer, mut events, driver) = open(options(&place.remote("a"), vec![]), Macs).unwrap();
        let driver = tokio::spawn(driver);
        while !matches!(next(&mut events).await, Event::Changes(_)) {}
        for from in (0..ROWS).step_by(BATCH) {
            assert_eq!(writer.transact(inserts(from, from + BATCH)).await.unwrap().len(), BATCH + 2);
        }
        drop(events);
        driver.await.unwrap();
    }
    let (before, _) = memory();
    let start = std::time::Instant::now();
    let (client, mut events, driver) = open(options(&place.remote("a"), macs()), Macs).unwrap();
    let driver = tokio::spawn(driver);
    let mut rows = 0;
    while rows < ROWS {
        if let Event::Changes(changes) = next(&mut events).await {
            assert!(changes.iter().all(|change| change.row.is_some()));
            rows += changes.len();
        }
    }
    let took = start.elapsed();
    let (after, peak) = memory();
    println!("{rows} rows in {took:.2?}; {:.1} MiB kept, {:.1} MiB at most", after - before, peak - before);
    assert_eq!(rows, ROWS);
    assert!(peak - before < 100.0, "{} MiB", peak - before);

    // One more is one change, whatever is there already.
    client.transact(inserts(ROWS, ROWS + 1)).await.unwrap();
    let Event::Changes(changes) = next(&mut events).await else {
        panic!("a change is reported before its transaction is done")
    };
    assert_eq!(changes.len(), 1);

    // All is sent again, and nothing is different.
    server.restart();
    loop {
        if let Event::Changes(changes) = next(&mut events).await {
            assert_eq!(changes.len(), 0);
            break;
        }
    }
    let (again, peak) = memory();
    println!("after a reconnect: {:.1} MiB kept, {:.1} MiB at most", again - before, peak - before);
    drop(events);
    driver.await.unwrap();
}
