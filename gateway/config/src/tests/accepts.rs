//! Tests of the result of valid files.

use std::{path::Path, time::Duration};

use gateway_common::net::{VlanId, Vni};

use super::{GOOD, parse};
use crate::{
    Config, Interface, Mode, Track,
    rows::{Location, LogicalSwitch, Remote},
};

fn good() -> Config {
    parse(GOOD).unwrap()
}

fn switch(name: &str) -> LogicalSwitch {
    (*good().rows.switches[name]).clone()
}

fn remote(address: &str) -> Remote {
    Remote { address: address.parse().unwrap(), vni: None }
}

fn vlan(id: u16) -> VlanId {
    VlanId::new(id).unwrap()
}

#[test]
fn keys_that_are_left_out_have_their_defaults() {
    let gateway = good().gateway;
    assert_eq!((gateway.udp_port, gateway.ttl, gateway.fdb_size), (4789, 64, 262_144));
    assert_eq!(gateway.ageing, Duration::from_secs(300));
    assert_eq!(gateway.pin_dir, Path::new("/sys/fs/bpf/vtep-gateway"));
    assert_eq!(gateway.run_dir, Path::new("/run/vtep-gateway"));
}

#[test]
fn each_family_has_its_tunnel_address() {
    let vteps = good().instances[0].vteps;
    assert_eq!(vteps.v4, Some("172.31.0.21".parse().unwrap()));
    assert_eq!(vteps.v6, Some("2001:db8::21".parse().unwrap()));
}

#[test]
fn interfaces_keep_their_order_and_mode() {
    let interface = |name: &str, mode| Interface { name: name.to_owned(), mode, track: Track::Fault };
    assert_eq!(good().uplinks, [interface("eth0", Mode::Auto)]);
    assert_eq!(good().ports, [interface("eth1", Mode::Auto), interface("eth2", Mode::Tc)]);
}

#[test]
fn a_switch_has_what_its_section_gives() {
    let switch = switch("db-net");
    assert_eq!(switch.vni, Vni::new(5001));
    assert_eq!(switch.learn_limit, 10);
    assert_eq!(switch.bindings, [("eth1".to_owned(), vlan(100)), ("eth2".to_owned(), VlanId::UNTAGGED)].into());
    assert_eq!(switch.flood, [remote("172.31.0.11"), remote("2001:db8::11")].into());
}

#[test]
fn macs_are_behind_a_vtep_or_a_port() {
    let macs = switch("db-net").macs;
    assert_eq!(macs[&"02:aa:00:00:00:01".parse().unwrap()], Location::Remote(remote("172.31.0.11")));
    let port = Location::Port { name: "eth1".to_owned(), vlan: vlan(100) };
    assert_eq!(macs[&"02:ee:00:00:00:01".parse().unwrap()], port);
}

#[test]
fn a_switch_without_members_has_the_defaults() {
    assert_eq!(switch("web-net"), LogicalSwitch { vni: Vni::new(5002), ..LogicalSwitch::default() });
}

#[test]
fn two_spellings_of_a_directory_are_one() {
    let spelled = GOOD.replacen("vtep", "run_dir = \"/run//vtep-gateway/\"\nvtep", 1);
    assert!(good().changes_needing_restart(&parse(&spelled).unwrap()).is_empty());
}
