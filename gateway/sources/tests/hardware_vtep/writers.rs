//! Two who write to one database: one of them does, and the other one reports it. What is written is counted in the log of the
//! database, which has a record for each transaction that has changed something.

use gateway_common::net::MacAddr;
use gateway_ovsdb as ovsdb;
use gateway_ovsdb::{Condition, Datum, Event, Operation, Options, ServerIdentity, TableSelect};
use gateway_sources::{
    Database, Local,
    vtep::{LocalMac, LockState, Status},
};
use tokio::time::Duration;

use crate::{
    lab::run,
    vtep::{Gateway, Vtep, test, vni},
};

/// Records of the log of the database: one for each transaction, one for the schema.
fn records(vtep: &Vtep) -> usize {
    run("ovsdb-tool", &["show-log", &vtep.place.file("vtep.db")])
        .lines()
        .filter(|line| line.starts_with("record "))
        .count()
}

/// Stations that only gateway `number` knows.
fn stations(number: u8, count: u8) -> Vec<LocalMac> {
    (0..count).map(|n| LocalMac { vni: vni(5), mac: MacAddr([2, 0xee, 0, 0, number, n]), ip: None }).collect()
}

fn macs(stations: &[LocalMac]) -> Vec<String> {
    stations.iter().map(|station| station.mac.to_string()).collect()
}

async fn until_published(vtep: &Vtep, stations: &[LocalMac]) {
    let macs = macs(stations);
    vtep.until_list("Ucast_Macs_Local", "MAC", &macs.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

async fn filled(vtep: &Vtep) -> Gateway {
    let mut gateway = vtep.gateway("gw1", "172.31.0.21", "");
    vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
    vtep.make_red();
    gateway.until_red(|red| red.flood.len() == 2).await;
    gateway
}

fn holds(status: &Status) -> bool {
    status.lock == LockState::Held
}

fn waits(status: &Status) -> bool {
    matches!(status.lock, LockState::Waiting { .. })
}

#[test]
fn of_two_gateways_with_one_name_and_two_addresses_one_writes() {
    test(async {
        let vtep = Vtep::start();
        let mut first = filled(&vtep).await;
        first.until_status(|status| holds(status)).await;
        let mut second = vtep.gateway("gw1", "172.31.0.22", "");
        second.until_status(|status| waits(status)).await;
        let before = records(&vtep);
        second.database.publish(vec![Local::All(stations(2, 20).into_iter().collect())]);
        for count in 1..=10 {
            first.database.publish(vec![Local::All(stations(1, count).into_iter().collect())]);
            until_published(&vtep, &stations(1, count)).await;
        }
        assert_eq!(records(&vtep) - before, 10, "one for each change of the first one");
        vtep.until_list("Physical_Switch", "tunnel_ips", &["172.31.0.21"]).await;
        // The first one ends: the second one writes, and takes away what was published with the other address.
        drop(first);
        second.until_status(|status| holds(status)).await;
        until_published(&vtep, &stations(2, 20)).await;
        vtep.until_list("Physical_Switch", "tunnel_ips", &["172.31.0.22"]).await;
    });
}

#[test]
fn of_two_gateways_with_one_name_and_one_address_one_publishes() {
    test(async {
        let vtep = Vtep::start();
        let mut first = filled(&vtep).await;
        first.until_status(|status| holds(status)).await;
        let mut second = vtep.gateway("gw1", "172.31.0.21", "");
        second.until_status(|status| waits(status)).await;
        second.database.publish(vec![Local::All(stations(2, 100).into_iter().collect())]);
        let before = records(&vtep);
        for count in 1..=10 {
            first.database.publish(vec![Local::All(stations(1, count).into_iter().collect())]);
            until_published(&vtep, &stations(1, count)).await;
        }
        assert_eq!(records(&vtep) - before, 10);
    });
}

/// A shared database, and nodes that do not hear each other's VRRP.
#[test]
fn in_a_split_brain_one_of_two_active_nodes_writes_and_the_other_one_reports_it() {
    test(async {
        let vtep = Vtep::start();
        let mut first = filled(&vtep).await;
        let mut second = vtep.gateway("gw1", "172.31.0.21", "");
        second.database.set_role(0, false);
        second.until_status(|status| status.lock == LockState::None).await;
        first.database.publish(vec![Local::All(stations(1, 3).into_iter().collect())]);
        second.database.publish(vec![Local::All(stations(2, 3).into_iter().collect())]);
        until_published(&vtep, &stations(1, 3)).await;
        let before = records(&vtep);
        second.database.set_role(0, true);
        let status = first.until_status(|status| matches!(status.lock, LockState::Stolen { .. })).await;
        assert!(status.faults.iter().any(|fault| fault.contains("do the nodes hear each other's VRRP?")), "{status:?}");
        second.until_status(|status| holds(status)).await;
        until_published(&vtep, &stations(2, 3)).await;
        for count in 4..=10 {
            second.database.publish(vec![Local::All(stations(2, count).into_iter().collect())]);
            until_published(&vtep, &stations(2, count)).await;
        }
        assert_eq!(records(&vtep) - before, 8);
        // They hear each other again.
        second.database.set_role(0, false);
        let status = first.until_status(|status| holds(status)).await;
        assert!(status.faults.is_empty(), "{status:?}");
        until_published(&vtep, &stations(1, 3)).await;
        assert_eq!(records(&vtep) - before, 9);
    });
}

#[test]
fn the_lock_is_named_after_the_switch_and_gateways_of_other_names_need_not_wait() {
    test(async {
        let vtep = Vtep::start();
        let mut first = filled(&vtep).await;
        let mut second = vtep.gateway("gw-2", "172.31.0.22", "");
        first.until_status(|status| holds(status)).await;
        second.until_status(|status| holds(status)).await;
        vtep.until_list("Physical_Switch", "name", &["gw-2", "gw1"]).await;
    });
}

#[test]
fn a_gateway_that_is_reached_again_has_its_lock_again() {
    test(async {
        let mut vtep = Vtep::start();
        let mut gateway = filled(&vtep).await;
        gateway.until_status(|status| holds(status)).await;
        vtep.server.kill();
        gateway.until_status(|status| status.lock == LockState::None).await;
        vtep.server.restart();
        gateway.until_status(|status| holds(status)).await;
        gateway.database.publish(vec![Local::All(stations(1, 1).into_iter().collect())]);
        until_published(&vtep, &stations(1, 1)).await;
    });
}

/// Returns the tunnel addresses of a physical switch.
struct Addresses;

impl ovsdb::Decoder for Addresses {
    type Row = Vec<String>;

    fn decode(&mut self, _: &str, _: ovsdb::Uuid, columns: &ovsdb::Columns) -> Result<Self::Row, ovsdb::RowError> {
        Ok(columns.get("tunnel_ips").into_iter().flat_map(Datum::strings).map(str::to_owned).collect())
    }
}

/// A program that knows no lock, and sets the address back as soon as it is put right.
async fn rival(remote: &str) {
    let options = Options {
        remotes: remote.parse().unwrap(),
        database: "hardware_vtep".to_owned(),
        tables: vec![TableSelect::new("Physical_Switch", &["tunnel_ips"])],
        leader_only: false,
        probe: Duration::from_secs(5),
        tls: None,
        server: ServerIdentity::default(),
        longest_message: 1 << 20,
    };
    let (client, mut events, driver) = ovsdb::open(options, Addresses).unwrap();
    tokio::task::spawn_local(driver);
    while let Some(event) = events.recv().await {
        let Event::Changes(changes) = event else { continue };
        if changes.iter().any(|change| change.row.as_ref().is_some_and(|ips| *ips != ["172.31.0.99"])) {
            let row = vec![("tunnel_ips", Datum::set(["172.31.0.99"]))];
            let condition = vec![Condition::eq("name", "gw1")];
            client.transact(vec![Operation::Update { table: "Physical_Switch", condition, row }]).await.unwrap();
        }
    }
}

#[test]
fn a_program_that_sets_the_tunnel_address_back_is_named_and_left_alone() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = filled(&vtep).await;
        let before = records(&vtep);
        tokio::task::spawn_local({
            let remote = vtep.place.remote("vtep");
            async move { rival(&remote).await }
        });
        let status = gateway.until_status(|status| !status.faults.is_empty()).await;
        let fault = status.faults.first().unwrap();
        for word in ["tunnel_ips", "172.31.0.99", "\"gw1\"", "database.switch"] {
            assert!(fault.contains(word), "{word} in {fault}");
        }
        vtep.until_list("Physical_Switch", "tunnel_ips", &["172.31.0.99"]).await;
        let fought = records(&vtep);
        assert!(fought - before <= 20, "{} transactions", fought - before);
        // All else is written as before, and this is not.
        gateway.database.publish(vec![Local::All(stations(1, 1).into_iter().collect())]);
        until_published(&vtep, &stations(1, 1)).await;
        assert_eq!(records(&vtep) - fought, 1);
        vtep.until_list("Physical_Switch", "tunnel_ips", &["172.31.0.99"]).await;
    });
}
