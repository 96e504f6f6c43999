//! Many stations.

use std::time::Duration;

use anyhow::Result;
use gateway_common::net::MacAddr;
use lab::{
    crossing::{EXT, Plan, Site, VNI},
    gateway::{self, Gateway},
    wait::{Stopwatch, wait_for},
};
use serde_json::{Value, json};

use super::by_hand::{NET, Operated, SCHEMA};

/// Long enough for an agent that was built without optimising.
const LATER: Duration = Duration::from_secs(60);
/// Stations in the cloud.
const MANY: u32 = 100_000;

fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr([0x02, 0xcc, a, b, c, d])
}

#[test]
fn a_hundred_thousand_stations_are_programmed_and_one_more_is_quick() -> Result<()> {
    let mut lab = Operated::on(Site::build(Plan::default())?, "")?;
    gateway::binary()?;
    let vtep = lab.site.hv.vtep();
    let locator = lab.vtep.ctl(&format!("--bare --columns=_uuid find Physical_Locator dst_ip=\"{vtep}\""))?;
    let network = lab.vtep.ctl(&format!("--bare --columns=_uuid find Logical_Switch name={NET}"))?;
    let insert = |number| -> Value {
        json!({ "op": "insert", "table": "Ucast_Macs_Remote", "row": {
            "MAC": mac(number).to_string(),
            "logical_switch": ["uuid", network.trim()],
            "locator": ["uuid", locator.trim()],
        } })
    };
    let rows: Vec<_> = (0..MANY).map(insert).collect();
    lab.vtep.database().transact(SCHEMA, &rows)?;

    let watch = Stopwatch::start();
    let gateway = Gateway::start(&lab.site.gw, &lab.config())?;
    let readings = gateway.read();
    wait_for("all stations are in the map", LATER, || {
        // Looks at all only once those are there that may well come last.
        [0, MANY / 2, MANY - 1].iter().all(|number| readings.station(VNI, mac(*number)).is_ok_and(|it| it.is_some()))
            && readings.fdb().is_ok_and(|fdb| fdb.len() > MANY as usize)
    })?;
    println!("{MANY} stations were in the map {} ms after the start", watch.elapsed().as_millis());
    assert_eq!(readings.static_vtep(VNI, mac(MANY / 3))?, Some(vtep));

    let more = insert(MANY);
    let watch = Stopwatch::start();
    lab.vtep.database().transact(SCHEMA, &[more])?;
    let written = watch.elapsed();
    wait_for("one more is in the map", LATER, || readings.station(VNI, mac(MANY)).is_ok_and(|it| it.is_some()))?;
    let (written, there) = (written.as_millis(), watch.elapsed().as_millis());
    println!("one more was written in {written} ms, and in the map after {there} ms");
    lab.site.vm.wait_reaches(&EXT.v4().to_string())
}
