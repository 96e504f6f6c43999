//! Tests of the changes that a running agent can apply.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use gateway_ovsdb::ServerIdentity;

use super::*;
use crate::{Interface, KeyFile, MetricsConfig, Mode, SyncConfig, Track, Vteps};

fn config() -> Config {
    Config {
        gateway: GatewayConfig {
            udp_port: 4789,
            ttl: 64,
            ageing: Duration::from_secs(300),
            fdb_size: 1024,
            pin_dir: "/sys/fs/bpf/vtep-gateway".into(),
            run_dir: "/run/vtep-gateway".into(),
            control_group: None,
        },
        instances: vec![InstanceConfig {
            name: "gateway".to_owned(),
            vteps: Vteps { v4: Some(Ipv4Addr::new(172, 31, 0, 21)), v6: None },
            switch: None,
            vrrp: None,
        }],
        sync: SyncConfig { port: 0 },
        uplinks: vec![],
        ports: vec![],
        rows: Arc::default(),
        database: None,
        switch_options: BTreeMap::new(),
        metrics: MetricsConfig::default(),
    }
}

fn database() -> DatabaseConfig {
    DatabaseConfig {
        remotes: "unix:/run/db.sock".parse().unwrap(),
        switch: None,
        management_ips: BTreeSet::new(),
        description: String::new(),
        tls: None,
        server: ServerIdentity::default(),
        message_limit: 128 << 20,
        hold_time: None,
        empty_hold_time: Duration::from_secs(300),
        learn_limit: 8192,
        inactivity_probe: Duration::from_secs(5),
        shared: false,
    }
}

fn with_database(database: DatabaseConfig) -> Config {
    Config { database: Some(database), ..config() }
}

#[test]
fn settings_of_maps_and_programs_need_a_restart() {
    let mut new = config();
    new.gateway.udp_port = 4790;
    new.gateway.fdb_size = 2048;
    new.gateway.pin_dir = "/sys/fs/bpf/other".into();
    new.gateway.run_dir = "/run/other".into();
    new.gateway.control_group = Some("netops".to_owned());
    assert_eq!(
        config().changes_needing_restart(&new),
        [
            "gateway.udp_port (4789 -> 4790)",
            "gateway.fdb_size (1024 -> 2048)",
            "gateway.pin_dir (/sys/fs/bpf/vtep-gateway -> /sys/fs/bpf/other)",
            "gateway.run_dir (/run/vtep-gateway -> /run/other)",
            "gateway.control_group (none -> netops)",
        ]
    );
}

#[test]
fn another_connection_to_the_database_needs_a_restart() {
    let files = |name: &str| KeyFile::Path(format!("/etc/{name}.pem").into());
    let tls = KeyFiles { private_key: files("key"), certificate: files("cert"), ca_cert: files("ca") };
    let new = DatabaseConfig {
        remotes: "tcp:10.0.0.1,tcp:10.0.0.2".parse().unwrap(),
        switch: Some("gw1".to_owned()),
        tls: Some(tls),
        inactivity_probe: Duration::ZERO,
        ..database()
    };
    assert_eq!(
        with_database(database()).changes_needing_restart(&with_database(new)),
        [
            "database.remote (unix:/run/db.sock -> tcp:10.0.0.1:6640,tcp:10.0.0.2:6640)",
            "database.switch (host name -> gw1)",
            "database.private_key, certificate, ca_cert (none -> /etc/key.pem, /etc/cert.pem, /etc/ca.pem)",
            "database.inactivity_probe (5 -> 0)",
        ]
    );
}

#[test]
fn a_database_in_place_of_the_static_one_needs_a_restart() {
    let with = with_database(database());
    assert_eq!(config().changes_needing_restart(&with), ["database (is not there -> is)"]);
    assert_eq!(with.changes_needing_restart(&config()), ["database (is there -> is not)"]);
}

#[test]
fn settings_of_the_published_row_are_applied_by_a_reload() {
    let new = DatabaseConfig {
        description: "rack 1".to_owned(),
        hold_time: Some(Duration::ZERO),
        learn_limit: 1,
        management_ips: ["192.0.2.1".parse().unwrap()].into(),
        ..database()
    };
    assert!(with_database(database()).changes_needing_restart(&with_database(new)).is_empty());
}

#[test]
fn other_settings_are_applied_by_a_reload() {
    let mut new = config();
    new.gateway.ttl = 32;
    new.gateway.ageing = Duration::from_secs(60);
    new.instances[0].vteps.v6 = Some(Ipv6Addr::LOCALHOST);
    new.ports.push(Interface { name: "eth1".to_owned(), mode: Mode::Tc, track: Track::Fault });
    assert!(config().changes_needing_restart(&new).is_empty());
}
