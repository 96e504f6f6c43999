//! Forwarding while the server or the controller is gone.

use gateway_sources::{Database, vtep::HoldState};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    lab::PATIENCE,
    vtep::{Gateway, Vtep, test, vni},
};

/// Acts as `ovn-controller-vtep` when it exits.
fn controller_exits(vtep: &Vtep) {
    vtep.place.transact(
        "vtep",
        &json!([
            "hardware_vtep",
            { "op": "update", "table": "Logical_Switch", "where": [], "row": { "tunnel_key": ["set", []] } },
            { "op": "delete", "table": "Ucast_Macs_Remote", "where": [] },
            { "op": "delete", "table": "Mcast_Macs_Remote", "where": [] },
        ]),
    );
}

async fn filled(vtep: &Vtep, keys: &str) -> Gateway {
    let mut gateway = vtep.gateway("gw1", "172.31.0.21", keys);
    vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
    vtep.make_red();
    gateway.until_red(|red| red.vni == Some(vni(5)) && red.macs.len() == 1 && red.flood.len() == 2).await;
    gateway
}

#[test]
fn a_controller_that_exits_leaves_forwarding_as_it_was() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = filled(&vtep, "").await;
        controller_exits(&vtep);
        gateway.until_status(|status| matches!(status.hold, HoldState::Kept { switches: 1, .. })).await;
        gateway.until_red(|red| red.vni == Some(vni(5)) && red.macs.len() == 1 && red.flood.len() == 2).await;
        vtep.ctl("unbind-ls gw1 eth1 100");
        gateway.until_red(|red| red.vni.is_none() && red.bindings.is_empty()).await;
    });
}

#[test]
fn a_controller_that_stays_away_is_not_waited_for_for_ever() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = filled(&vtep, "empty_hold_time = 1").await;
        controller_exits(&vtep);
        gateway.until_red(|red| red.vni.is_none() && red.macs.is_empty()).await;
        gateway.until_status(|status| status.hold == HoldState::Following).await;
    });
}

#[test]
fn a_server_that_restarts_changes_nothing() {
    test(async {
        let mut vtep = Vtep::start();
        let mut gateway = filled(&vtep, "").await;
        gateway.rows.mark_unchanged();
        vtep.server.kill();
        gateway.until_status(|status| matches!(status.hold, HoldState::Gone { .. })).await;
        vtep.server.restart();
        gateway.until_status(|status| status.hold == HoldState::Following).await;
        assert!(!gateway.rows.has_changed().unwrap());
    });
}

#[test]
fn the_loss_and_return_of_the_server_are_reported() {
    test(async {
        let mut vtep = Vtep::start();
        let gateway = filled(&vtep, "").await;
        let mut reached = gateway.database.reached();
        assert!(*reached.borrow_and_update());
        vtep.server.kill();
        timeout(PATIENCE, reached.wait_for(|reached| !*reached)).await.unwrap().unwrap();
        vtep.server.restart();
        timeout(PATIENCE, reached.wait_for(|reached| *reached)).await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_stays_away_is_not_waited_for_for_ever() {
    test(async {
        let mut vtep = Vtep::start();
        let mut gateway = filled(&vtep, "hold_time = 1").await;
        vtep.server.kill();
        gateway.until(|rows| rows.switches.is_empty()).await;
        vtep.server.restart();
        gateway.until_red(|red| red.macs.len() == 1).await;
    });
}

#[test]
fn without_a_hold_time_a_server_that_stays_away_is_waited_for_for_ever_and_status_has_the_reason() {
    test(async {
        let mut vtep = Vtep::start();
        let mut gateway = filled(&vtep, "").await;
        vtep.server.kill();
        let refused = |status: &std::sync::Arc<gateway_sources::vtep::Status>| {
            status.unreachable.as_ref().is_some_and(|(_, reason, _)| reason.contains("Connection refused"))
        };
        let status = gateway.until_status(refused).await;
        assert_eq!(status.hold, HoldState::Gone { remaining: None });
        assert_eq!(gateway.rows.borrow().switches["red"].macs.len(), 1);
    });
}

#[test]
fn a_row_of_this_gateway_that_is_deleted_leaves_forwarding_as_it_was_until_it_is_bound_again() {
    test(async {
        let vtep = Vtep::start();
        let mut gateway = filled(&vtep, "").await;
        gateway.rows.mark_unchanged();
        vtep.ctl("del-ps gw1");
        gateway.until_status(|status| matches!(status.hold, HoldState::Kept { switches: 1, .. })).await;
        vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
        gateway.until_red(|red| red.bindings.len() == 1 && red.macs.len() == 1).await;
        vtep.ctl("bind-ls gw1 eth2 200 red");
        gateway.until_status(|status| status.hold == HoldState::Following).await;
        gateway.until_red(|red| red.bindings.iter().all(|(port, _)| port == "eth2")).await;
    });
}

#[test]
fn a_recreated_database_leaves_forwarding_as_it_was() {
    test(async {
        let mut vtep = Vtep::start();
        let mut gateway = filled(&vtep, "").await;
        vtep.server.kill();
        std::fs::remove_file(vtep.place.file("vtep.db")).unwrap();
        crate::lab::run("ovsdb-tool", &["create", &vtep.place.file("vtep.db"), crate::vtep::SCHEMA]);
        vtep.server.restart();
        gateway.until_status(|status| matches!(status.hold, HoldState::Kept { switches: 1, .. })).await;
        gateway.until_red(|red| red.vni == Some(vni(5)) && red.bindings.len() == 1).await;
        vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
        vtep.make_red();
        gateway.until_status(|status| status.hold == HoldState::Following).await;
    });
}
