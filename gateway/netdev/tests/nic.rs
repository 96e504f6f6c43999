//! NIC settings, made and put back on veth interfaces. Each test has its own network namespace, and needs root for
//! it.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod netns;

use std::path::PathBuf;

use gateway_netdev::nic::{self, NicError, NicSettings, Outcome, PutBack, Role, Setting};
use netns::{in_new, run};

/// An interface `port0`, and a directory for the agent's state that goes with the test.
struct Lab {
    run_dir: PathBuf,
}

impl Lab {
    fn new(test: &str) -> Self {
        plug();
        Self { run_dir: std::env::temp_dir().join(format!("vtep-gateway-nic-{}-{test}", std::process::id())) }
    }

    fn settings(&self) -> NicSettings {
        NicSettings::open(&self.run_dir).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.run_dir);
    }
}

fn plug() {
    run("ip link add port0 address 02:00:00:00:00:01 type veth peer name port1");
}

fn rx_vlan_offload() -> bool {
    run("ethtool -k port0").lines().any(|line| line.starts_with("rx-vlan-offload: on"))
}

fn promiscuous() -> bool {
    run("ip link show port0").contains("PROMISC")
}

#[test]
fn access_port_keeps_tags_and_takes_any_mac() {
    in_new(|| async {
        let lab = Lab::new("access");
        assert!(rx_vlan_offload() && !promiscuous());
        let changes = lab.settings().prepare("port0", Role::Access).unwrap();
        assert!(!rx_vlan_offload() && promiscuous());
        let made: Vec<_> = changes.iter().filter(|change| change.outcome == Outcome::Made).collect();
        assert!(made.iter().any(|change| change.setting == Setting::RxVlanOffload && !change.value), "{changes:?}");
        assert!(made.iter().any(|change| change.setting == Setting::Promiscuous && change.value), "{changes:?}");
        assert_eq!(lab.settings().prepare("port0", Role::Access).unwrap(), [], "there was something left to do");
    });
}

#[test]
fn uplink_stays_out_of_promiscuous_mode() {
    in_new(|| async {
        let lab = Lab::new("uplink");
        lab.settings().prepare("port0", Role::Uplink).unwrap();
        assert!(!rx_vlan_offload() && !promiscuous());
    });
}

#[test]
fn settings_are_put_back_by_a_later_run() {
    in_new(|| async {
        let lab = Lab::new("restore");
        lab.settings().prepare("port0", Role::Access).unwrap();
        lab.settings().prepare("port0", Role::Access).unwrap();
        let restored = lab.settings().restore_all().unwrap();
        assert!(rx_vlan_offload() && !promiscuous());
        assert!(restored.iter().all(|entry| matches!(entry.outcome, PutBack::Done)), "{restored:?}");
        assert!(lab.settings().restore_all().unwrap().is_empty(), "something was still saved");
    });
}

#[test]
fn setting_that_was_right_before_stays_so_afterwards() {
    in_new(|| async {
        let lab = Lab::new("right");
        run("ip link set port0 promisc on");
        lab.settings().prepare("port0", Role::Access).unwrap();
        lab.settings().restore_all().unwrap();
        assert!(promiscuous());
    });
}

#[test]
fn operators_later_change_is_left_alone() {
    in_new(|| async {
        let lab = Lab::new("operator");
        lab.settings().prepare("port0", Role::Access).unwrap();
        run("ip link set port0 promisc off");
        run("ip link set port0 promisc off");
        let restored = lab.settings().restore("port0").unwrap();
        let promiscuous_entry = restored.iter().find(|entry| entry.setting == Setting::Promiscuous).unwrap();
        assert!(matches!(promiscuous_entry.outcome, PutBack::ChangedMeanwhile), "{restored:?}");
        assert!(rx_vlan_offload() && !promiscuous());
    });
}

#[test]
fn recreated_interface_is_not_restored() {
    in_new(|| async {
        let lab = Lab::new("recreated");
        lab.settings().prepare("port0", Role::Access).unwrap();
        run("ip link del port0");
        run("ip link add spacer type veth peer name spacer1");
        plug();
        run("ethtool -K port0 rxvlan off");
        let restored = lab.settings().restore_all().unwrap();
        assert!(!restored.is_empty() && restored.iter().all(|entry| matches!(entry.outcome, PutBack::Gone)));
        assert!(!rx_vlan_offload(), "the new interface was taken for the old one");
        assert!(lab.settings().restore_all().unwrap().is_empty(), "the old interface was not forgotten");
    });
}

#[test]
fn missing_interface_is_an_error_naming_it() {
    in_new(|| async {
        let lab = Lab::new("missing");
        let error = lab.settings().prepare("nowhere0", Role::Access).unwrap_err();
        assert!(matches!(error, NicError::NoInterface { .. }));
        assert!(error.to_string().contains("nowhere0"), "{error}");
    });
}

#[test]
fn driver_and_xdp_features_of_a_veth_are_reported() {
    in_new(|| async {
        let _lab = Lab::new("driver");
        assert_eq!(nic::driver("port0").unwrap(), "veth");
        let ifindex = nix::net::if_::if_nametoindex("port0").unwrap();
        let features = nic::xdp_features(ifindex).unwrap().expect("the kernel is older than 6.3");
        assert!(features.basic() && features.redirect());
        assert!(!features.ndo_xmit(), "a veth without GRO on its peer takes no redirected frames");
        run("ip link set port0 up");
        run("ip link set port1 up");
        run("ethtool -K port1 gro on");
        assert!(nic::xdp_features(ifindex).unwrap().unwrap().ndo_xmit());
    });
}
