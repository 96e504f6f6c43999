//! Tests of section `[database]`: its values, and the error for each kind of mistake.

use std::time::Duration;

use gateway_ovsdb::ServerIdentity;

use super::parse;
use crate::{Config, DatabaseConfig};

/// Returns a file of 7 lines with `keys` in its section `[database]`.
fn with(keys: &str) -> String {
    format!(
        "[gateway]\nvtep = [\"172.31.0.21\"]\n[[uplink]]\nname = \"eth0\"\n[[port]]\nname = \"eth1\"\n[database]\n{keys}\n"
    )
}

fn accepted(keys: &str) -> DatabaseConfig {
    let config: Config = parse(&with(keys)).unwrap();
    config.database.unwrap()
}

/// Returns the loader's error, without the file name.
fn refusal(keys: &str) -> String {
    parse(&with(keys)).map_or_else(|error| error.to_string().replacen("g.toml:", "", 1), |_| "accepted".to_owned())
}

const REMOTE: &str = "remote = \"unix:/run/db.sock\"\n";

#[test]
fn a_remote_is_all_it_takes() {
    let expected = DatabaseConfig {
        remotes: "unix:/run/db.sock".parse().unwrap(),
        switch: None,
        management_ips: [].into(),
        description: String::new(),
        tls: None,
        server: ServerIdentity::default(),
        message_limit: 128 << 20,
        hold_time: None,
        empty_hold_time: Duration::from_secs(300),
        learn_limit: 8192,
        inactivity_probe: Duration::from_secs(5),
        shared: false,
    };
    assert_eq!(accepted(REMOTE), expected);
}

#[test]
fn configured_values_are_used() {
    let database = accepted(
        "remote = \"ssl:10.0.0.1:6640,ssl:[::1]\"\nswitch = \"gw1\"\nmanagement_ips = [\"192.0.2.1\", \"::1\"]\n\
         description = \"rack 1\"\nprivate_key = \"/a/key\"\ncertificate = \"/a/cert\"\nca_cert = \"credential:ca\"\n\
         hold_time = 0\nlearn_limit = 1\ninactivity_probe = 0",
    );
    assert_eq!(database.remotes.iter().count(), 2);
    assert_eq!(database.switch.as_deref(), Some("gw1"));
    assert_eq!(database.management_ips, ["192.0.2.1".parse().unwrap(), "::1".parse().unwrap()].into());
    assert_eq!(database.description, "rack 1");
    let tls = database.tls.unwrap();
    assert_eq!((tls.private_key.to_string(), tls.ca_cert.to_string()), ("/a/key".into(), "credential:ca".into()));
    assert_eq!((database.hold_time, database.inactivity_probe), (Some(Duration::ZERO), Duration::ZERO));
    assert_eq!(database.learn_limit, 1);
}

#[test]
fn requirements_for_the_certificate_are_used() {
    let fingerprint = ["ab"; 32].join(":");
    let database = accepted(&format!(
        "{REMOTE}server_name = [\"db1.example\", \"10.0.0.1\"]\nserver_fingerprint = [\"{fingerprint}\"]\n\
         message_limit = 64\nempty_hold_time = 60"
    ));
    assert_eq!(database.server.names, ["db1.example", "10.0.0.1"]);
    assert_eq!(database.server.fingerprints, [fingerprint.parse().unwrap()]);
    assert_eq!((database.message_limit, database.empty_hold_time), (64 << 20, Duration::from_secs(60)));
}

#[test]
fn without_the_section_there_is_none() {
    assert_eq!(parse(super::GOOD).unwrap().database, None);
}

#[test]
fn remotes() {
    assert_eq!(refusal(""), "7:1: database.remote: required, but missing");
    assert_eq!(
        refusal("remote = \"/run/db.sock\""),
        "8:10: database.remote: \"/run/db.sock\" is not where a database server listens: it should start with unix:, \
         tcp: or ssl:"
    );
    assert_eq!(
        refusal("remote = \"unix:db.sock\""),
        "8:10: database.remote: expected an absolute path, found unix:db.sock"
    );
}

#[test]
fn files_of_tls() {
    assert_eq!(
        refusal("remote = \"ssl:10.0.0.1\""),
        "8:10: database.remote: expected private_key, certificate and ca_cert with ssl:10.0.0.1:6640, found none of them"
    );
    assert_eq!(
        refusal("remote = \"ssl:10.0.0.1\"\nca_cert = \"/a/ca\""),
        "9:11: database.private_key: required with the other two of TLS, but missing\n\
         g.toml:9:11: database.certificate: required with the other two of TLS, but missing"
    );
    assert_eq!(
        refusal(&format!("{REMOTE}private_key = \"key\"\ncertificate = \"/a/cert\"\nca_cert = \"/a/ca\"")),
        "9:15: database.private_key: expected an absolute path without \"..\", found \"key\""
    );
}

#[test]
fn values_out_of_range() {
    let refused = |key: &str| refusal(&format!("{REMOTE}{key}")).replacen("9:", "", 1);
    assert_eq!(refused("hold_time = -1"), "13: database.hold_time: expected 0 to 31622400, found -1");
    assert_eq!(refused("hold_time = 31622401"), "13: database.hold_time: expected 0 to 31622400, found 31622401");
    assert_eq!(refused("learn_limit = 16777217"), "15: database.learn_limit: expected 0 to 16777216, found 16777217");
    assert_eq!(refused("inactivity_probe = 3601"), "20: database.inactivity_probe: expected 0 to 3600, found 3601");
    assert_eq!(refused("switch = \"\""), "10: database.switch: expected 1 to 128 characters, found 0");
    assert_eq!(
        refused("management_ips = [\"x\"]"),
        "19: database.management_ips[0]: expected an IPv4 or IPv6 address, found \"x\""
    );
    assert_eq!(refused("message_limit = 0"), "17: database.message_limit: expected 1 to 1024, found 0");
    assert_eq!(
        refused("server_name = [\"a b\"]"),
        "16: database.server_name[0]: expected a DNS name or an address, found \"a b\""
    );
    assert_eq!(
        refused("server_fingerprint = [\"ab\"]"),
        "23: database.server_fingerprint[0]: expected the SHA-256 of a certificate, 32 hexadecimal bytes with or without \
         colons between them, found \"ab\""
    );
    let long = "x".repeat(1025);
    assert_eq!(
        refused(&format!("description = \"{long}\"")),
        "15: database.description: expected at most 1024 characters, found 1025"
    );
}

#[test]
fn the_static_database_is_another_one() {
    assert_eq!(
        refusal(&format!("{REMOTE}[[switch]]\nname = \"a\"\nvni = 1")),
        "10:8: switch \"a\": expected either [database] or [[switch]], found both"
    );
}
