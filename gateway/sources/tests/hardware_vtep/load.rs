//! A large network.

use std::time::Duration;

use gateway_ovsdb::{
    Atom, Columns, Condition, Datum, Decoder, Event, Operation, Options, RowError, ServerIdentity, TableSelect, Uuid,
    open,
};
use tokio::time::Instant;

use crate::{
    lab::PATIENCE,
    vtep::{Vtep, test},
};

const STATIONS: u32 = 100_000;
const BATCH: u32 = 10_000;

/// Reads the names of rows and nothing else.
struct Names;

impl Decoder for Names {
    type Row = String;

    fn decode(&mut self, _: &str, _: Uuid, columns: &Columns) -> Result<String, RowError> {
        Ok(columns.get("name").and_then(Datum::string).unwrap().to_owned())
    }
}

/// Adds stations `from..to` to the switch `red`, as a controller does.
fn inserts(red: Uuid, from: u32, to: u32) -> Vec<Operation> {
    let insert = |table, row, name: Option<&str>| Operation::Insert { table, row, uuid_name: name.map(str::to_owned) };
    let address = format!("172.31.{}.{}", 1 + from / BATCH, 1 + from % 7);
    let locator = vec![("encapsulation_type", "vxlan_over_ipv4".into()), ("dst_ip", address.into())];
    let mut operations = vec![insert("Physical_Locator", locator, Some("pl"))];
    operations.extend((from..to).map(|number| {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = format!("02:bb:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
        let row = vec![("MAC", mac.into()), ("logical_switch", red.into()), ("locator", Atom::named("pl").into())];
        insert("Ucast_Macs_Remote", row, None)
    }));
    operations
}

#[test]
fn a_hundred_thousand_stations_and_one_more() {
    test(async {
        let vtep = Vtep::start();
        {
            let _registering = vtep.gateway("gw1", "172.31.0.21", "");
            vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
        }
        vtep.make_red();
        let options = Options {
            remotes: vtep.place.remote("vtep").parse().unwrap(),
            database: "hardware_vtep".to_owned(),
            tables: vec![TableSelect::new("Logical_Switch", &["name"])],
            leader_only: false,
            probe: Duration::from_secs(5),
            tls: None,
            server: ServerIdentity::default(),
            longest_message: 256 << 20,
        };
        let (controller, mut events, driver) = open(options, Names).unwrap();
        tokio::task::spawn_local(driver);
        let red = loop {
            if let Event::Changes(changes) = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
                break changes[0].uuid;
            }
        };
        for from in (0..STATIONS).step_by(BATCH as usize) {
            controller.transact(inserts(red, from, from + BATCH)).await.unwrap();
        }

        let start = now();
        let mut gateway = vtep.gateway("gw1", "172.31.0.21", "");
        gateway.until_red(|red| red.macs.len() == STATIONS as usize + 1).await;
        println!("{STATIONS} stations in {:.2?}", start.elapsed());

        let before = gateway.rows.borrow().switches["red"].clone();
        let start = now();
        controller.transact(inserts(red, STATIONS, STATIONS + 1)).await.unwrap();
        gateway.until_red(|red| red.macs.len() == STATIONS as usize + 2).await;
        println!("one more in {:.2?}", start.elapsed());
        let after = gateway.rows.borrow().switches["red"].clone();
        assert_eq!(after.macs.differing(&before.macs).len(), 1);

        let start = now();
        let condition = vec![Condition::eq("MAC", "02:bb:00:00:00:00")];
        controller.transact(vec![Operation::Delete { table: "Ucast_Macs_Remote", condition }]).await.unwrap();
        gateway.until_red(|red| red.macs.len() == STATIONS as usize + 1).await;
        println!("one less in {:.2?}", start.elapsed());
    });
}

#[expect(clippy::disallowed_methods, reason = "prints durations; nothing depends on them")]
fn now() -> Instant {
    Instant::now()
}
