//! Being there.

use crate::vtep::{Vtep, test};

#[test]
fn a_gateway_registers_itself_and_its_ports() {
    test(async {
        let vtep = Vtep::start();
        let _gateway = vtep.gateway("gw1", "172.31.0.21", "management_ips = ['192.0.2.1']\ndescription = 'rack 1'");
        vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
        assert_eq!(vtep.ctl("list-ps"), "gw1\n");
        assert_eq!(vtep.ctl("list-ports gw1"), "eth1\neth2\n");
        assert_eq!(
            vtep.ctl("--bare get Physical_Switch gw1 tunnel_ips management_ips description"),
            "[\"172.31.0.21\"]\n[\"192.0.2.1\"]\n\"rack 1\"\n"
        );
    });
}

#[test]
fn a_row_that_an_operator_has_made_is_completed() {
    test(async {
        let vtep = Vtep::start();
        vtep.ctl("add-ps gw1 -- set Physical_Switch gw1 description=mine -- add-port gw1 eth1 -- add-port gw1 eth9");
        vtep.ctl("add-ls red -- bind-ls gw1 eth1 100 red");
        let _gateway = vtep.gateway("gw1", "172.31.0.21", "");
        vtep.until_list("Physical_Port", "name", &["eth1", "eth2", "eth9"]).await;
        vtep.until("--bare get Physical_Switch gw1 tunnel_ips", |printed| printed == "[\"172.31.0.21\"]\n").await;
        assert_eq!(vtep.ctl("get Physical_Switch gw1 description"), "mine\n");
        assert_eq!(vtep.ctl("list-bindings gw1 eth1"), "0100 red\n");
    });
}

#[test]
fn two_gateways_register_at_once() {
    test(async {
        let vtep = Vtep::start();
        let _gateways = [
            vtep.gateway("gw1", "172.31.0.21", ""),
            vtep.gateway("gw2", "172.31.0.22", ""),
            vtep.gateway("gw2", "172.31.0.22", ""),
        ];
        vtep.until_list("Physical_Port", "name", &["eth1", "eth1", "eth2", "eth2"]).await;
        vtep.until_list("Physical_Switch", "name", &["gw1", "gw2"]).await;
    });
}

#[test]
fn a_row_that_is_taken_away_is_made_again() {
    test(async {
        let vtep = Vtep::start();
        let _gateway = vtep.gateway("gw1", "172.31.0.21", "");
        vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
        vtep.ctl("del-ps gw1");
        vtep.until_list("Physical_Port", "name", &["eth1", "eth2"]).await;
    });
}

#[test]
fn other_settings_are_taken_over() {
    test(async {
        let vtep = Vtep::start();
        let gateway = vtep.gateway("gw1", "172.31.0.21", "");
        vtep.until_list("Physical_Switch", "tunnel_ips", &["172.31.0.21"]).await;
        gateway_sources::Database::reconfigure(&gateway.database, &vtep.config("gw1", "172.31.0.22", ""));
        vtep.until_list("Physical_Switch", "tunnel_ips", &["172.31.0.22"]).await;
    });
}
