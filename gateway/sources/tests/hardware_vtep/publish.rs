//! Rows that the gateway writes.

use std::collections::BTreeSet;

use gateway_common::net::{MacAddr, VlanId};
use gateway_sources::{
    Database, Local,
    vtep::{LocalMac, rows::Counters},
};

use crate::vtep::{Gateway, Vtep, mac, test, vni};

const EXT1: &str = "02:ee:00:00:00:01";

fn station(text: &str, ip: Option<&str>) -> LocalMac {
    LocalMac { vni: vni(5), mac: mac(text), ip: ip.map(|ip| ip.parse().unwrap()) }
}

async fn filled(vtep: &Vtep) -> Gateway {
    let mut gateway = vtep.gateway("gw1", "172.31.0.21", "");
    vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
    vtep.make_red();
    gateway.until_red(|red| red.flood.len() == 2).await;
    gateway
}

#[test]
fn stations_are_published_and_withdrawn() {
    test(async {
        let vtep = Vtep::start();
        let gateway = filled(&vtep).await;
        gateway.database.publish(vec![Local::All([station(EXT1, Some("10.0.0.1"))].into())]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
        vtep.until_list("Ucast_Macs_Local", "ipaddr", &["10.0.0.1"]).await;
        assert!(vtep.ctl("list-local-macs red").contains("02:ee:00:00:00:01 -> vxlan_over_ipv4/172.31.0.21"));
        gateway.database.publish(vec![Local::Gone(vni(5), mac(EXT1))]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &[]).await;
    });
}

#[test]
fn what_is_not_known_is_sent_here_while_the_switch_is_bound() {
    test(async {
        let vtep = Vtep::start();
        let _gateway = filled(&vtep).await;
        vtep.until_list("Mcast_Macs_Local", "MAC", &["unknown-dst"]).await;
        vtep.ctl("unbind-ls gw1 eth1 100");
        vtep.until_list("Mcast_Macs_Local", "MAC", &[]).await;
    });
}

#[test]
fn a_remote_station_is_never_published() {
    test(async {
        let vtep = Vtep::start();
        let gateway = filled(&vtep).await;
        gateway.database.publish(vec![Local::All([station("02:aa:00:00:00:01", None), station(EXT1, None)].into())]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
        vtep.ctl(&format!("add-ucast-remote red {EXT1} 172.31.0.12"));
        vtep.until_list("Ucast_Macs_Local", "MAC", &[]).await;
        vtep.ctl(&format!("del-ucast-remote red {EXT1}"));
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
    });
}

#[test]
fn stations_of_a_switch_that_is_unbound_are_withdrawn() {
    test(async {
        let vtep = Vtep::start();
        let gateway = filled(&vtep).await;
        gateway.database.publish(vec![Local::Learned(station(EXT1, None))]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
        vtep.ctl("unbind-ls gw1 eth1 100");
        vtep.until_list("Ucast_Macs_Local", "MAC", &[]).await;
        vtep.ctl("bind-ls gw1 eth2 7 red");
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
    });
}

#[test]
fn a_deleted_row_is_written_again_and_one_too_many_goes() {
    test(async {
        let vtep = Vtep::start();
        let gateway = filled(&vtep).await;
        gateway.database.publish(vec![Local::Learned(station(EXT1, None))]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
        vtep.ctl("clear-local-macs red");
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
        vtep.until_list("Mcast_Macs_Local", "MAC", &["unknown-dst"]).await;
        vtep.ctl(&format!(
            "add-ucast-local red {EXT1} 172.31.0.21 -- add-ucast-local red 02:ee:00:00:00:09 172.31.0.21"
        ));
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1]).await;
    });
}

#[test]
fn two_gateways_leave_each_others_stations_alone() {
    test(async {
        let vtep = Vtep::start();
        let first = filled(&vtep).await;
        let second = vtep.gateway("gw2", "172.31.0.22", "");
        vtep.until_list("Physical_Switch", "name", &["gw1", "gw2"]).await;
        vtep.until("list-ports gw2", |ports| ports.contains("eth1")).await;
        vtep.ctl("bind-ls gw2 eth1 100 red");
        first.database.publish(vec![Local::All([station(EXT1, None)].into())]);
        second.database.publish(vec![Local::All([station("02:ee:00:00:00:02", None)].into())]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &[EXT1, "02:ee:00:00:00:02"]).await;
        vtep.until_list("Mcast_Macs_Local", "MAC", &["unknown-dst", "unknown-dst"]).await;
        first.database.publish(vec![Local::All(BTreeSet::new())]);
        vtep.until_list("Ucast_Macs_Local", "MAC", &["02:ee:00:00:00:02"]).await;
    });
}

#[test]
fn ten_thousand_stations_are_published() {
    test(async {
        let vtep = Vtep::start();
        let gateway = filled(&vtep).await;
        for number in 0..10_000_u32 {
            let [_, _, a, b] = number.to_be_bytes();
            let mac = MacAddr([2, 0xee, 0, 1, a, b]);
            gateway.database.publish(vec![Local::Learned(LocalMac { vni: vni(5), mac, ip: None })]);
        }
        vtep.until("--bare --columns=MAC list Ucast_Macs_Local", |printed| {
            printed.lines().filter(|line| !line.is_empty()).count() == 10_000
        })
        .await;
        let log = vtep.ctl("--bare --columns=dst_ip list Physical_Locator");
        assert_eq!(log.matches("172.31.0.21").count(), 1, "{log}");
    });
}

#[test]
fn counters_are_written_and_written_again_when_the_server_has_forgotten_them() {
    test(async {
        let mut vtep = Vtep::start();
        let gateway = filled(&vtep).await;
        let counters = Counters { packets_from_local: 1, bytes_from_local: 2, packets_to_local: 3, bytes_to_local: 4 };
        let traffic = [(("eth1".to_owned(), VlanId::new(100).unwrap()), counters)].into();
        gateway.database.report_traffic(traffic);
        vtep.until_list("Logical_Binding_Stats", "bytes_to_local", &["4"]).await;
        assert!(vtep.ctl("get Physical_Port eth1 vlan_stats").starts_with("{100="));
        // Its columns are ephemeral: no row is left of it.
        vtep.server.restart();
        vtep.until_list("Logical_Binding_Stats", "bytes_to_local", &["4"]).await;
    });
}
