//! Contents that others write are followed.

use gateway_config::rows::{Location, Remote};
use gateway_sources::vtep::HoldState;

use crate::{
    lab::PATIENCE,
    vtep::{Gateway, Vtep, mac, test, vni},
};

async fn followed(vtep: &Vtep) -> Gateway {
    let gateway = vtep.gateway("gw1", "172.31.0.21", "");
    vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
    vtep.make_red();
    gateway
}

#[test]
fn a_switch_that_is_filled_forwards() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = followed(&vtep).await;
        gateway.until_red(|red| red.vni == Some(vni(5)) && red.bindings.len() == 1 && red.flood.len() == 2).await;
        let rows = gateway.rows.borrow().clone();
        let remote = Remote { address: "172.31.0.11".parse().unwrap(), vni: None };
        assert_eq!(rows.switches["red"].macs[&mac("02:aa:00:00:00:01")], Location::Remote(remote));
        assert_eq!(gateway.status.borrow().hold, HoldState::Following);
    });
}

#[test]
fn a_database_without_switches_is_known_too() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = vtep.gateway("gw1", "172.31.0.21", "");
        assert!(matches!(gateway.status.borrow().hold, HoldState::Waiting { .. }));
        tokio::time::timeout(PATIENCE, gateway.rows.changed()).await.unwrap().unwrap();
        assert!(gateway.rows.borrow().switches.is_empty());
        assert_eq!(gateway.status.borrow().hold, HoldState::Following);
    });
}

#[test]
fn a_station_that_moves_is_followed() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = followed(&vtep).await;
        gateway.until_red(|red| red.macs.len() == 1).await;
        vtep.ctl("del-ucast-remote red 02:aa:00:00:00:01");
        gateway.until_red(|red| red.macs.is_empty()).await;
        vtep.ctl("add-ucast-remote red 02:aa:00:00:00:01 172.31.0.12");
        let remote = Remote { address: "172.31.0.12".parse().unwrap(), vni: None };
        gateway.until_red(|red| red.macs.get(&mac("02:aa:00:00:00:01")) == Some(&Location::Remote(remote))).await;
    });
}

#[test]
fn bindings_come_and_go_at_once() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = followed(&vtep).await;
        gateway.until_red(|red| red.bindings.len() == 1).await;
        vtep.ctl("bind-ls gw1 eth2 0 red");
        gateway.until_red(|red| red.bindings.len() == 2).await;
        vtep.ctl("unbind-ls gw1 eth1 100");
        gateway.until_red(|red| red.bindings.len() == 1).await;
    });
}

#[test]
fn a_row_that_cannot_be_read_is_a_fault_until_it_goes() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = followed(&vtep).await;
        vtep.ctl("add-ucast-remote red nonsense 172.31.0.11 -- add-ucast-remote red 02:aa:00:00:00:02 172.31.0.11");
        gateway.until_red(|red| red.macs.len() == 2).await;
        gateway.until_status(|status| status.unreadable == 1).await;
        vtep.until_list("Physical_Switch", "switch_fault_status", &["unspecified_fault"]).await;
        vtep.ctl("del-ucast-remote red nonsense");
        vtep.until_list("Physical_Switch", "switch_fault_status", &[]).await;
    });
}

#[test]
fn a_vlan_that_cannot_be_bound_is_a_fault_of_its_port() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = followed(&vtep).await;
        vtep.ctl("bind-ls gw1 eth1 4095 red");
        vtep.until_list("Physical_Port", "port_fault_status", &["invalid_vlan_map"]).await;
        vtep.ctl("unbind-ls gw1 eth1 4095");
        vtep.until_list("Physical_Port", "port_fault_status", &[]).await;
        gateway.until_red(|red| red.bindings.len() == 1).await;
    });
}
