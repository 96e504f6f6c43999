//! Opposite real OVN hypervisors, with a configuration copied from the database that `ovn-controller-vtep` filled.

use std::net::IpAddr;

use anyhow::{Context, Result};
use lab::{
    config::Mode,
    crossing::{EXT, Underlay, VM},
    dhcp,
    gateway::Gateway,
    ovn::hypervisor::UPLINK,
    wire::Wire,
};

use crate::{filled::Filled, outer::Outer};

/// The outer source of the next VXLAN packet that arrives.
fn source_of_vxlan(underlay: &Wire) -> Result<IpAddr> {
    let frame = underlay.expect("VXLAN from the gateway", |frame| Outer::parse(frame).is_some())?;
    Outer::parse(&frame).map(|outer| outer.source).context("no VXLAN")
}

#[test]
fn vms_and_the_outside_talk_in_either_mode_and_dhcp_crosses() -> Result<()> {
    let lab = Filled::build()?;
    let mut config = lab.cloud.static_config(Mode::Xdp)?;
    let underlay = Wire::open(lab.cloud.hypervisors[0].host(), UPLINK)?;
    let mut gateway = Gateway::start(&lab.cloud.gw, &config)?;

    lab.talk()?;
    let paths = gateway.read().paths()?;
    assert!(paths.xdp_encap > 1000 && paths.xdp_decap > 1000, "{paths:?}");
    assert_eq!(source_of_vxlan(&underlay)?, lab.cloud.tunnel());

    lab.shout()?;

    gateway.stop()?;
    for nic in config.uplinks.iter_mut().chain(&mut config.ports) {
        nic.mode = Mode::Tc;
    }
    std::fs::write(gateway.file(), config.to_string())?;
    gateway.resume()?;
    let before = gateway.read().paths()?;
    lab.talk()?;
    let after = gateway.read().paths()?;
    assert!(after.tc_encap - before.tc_encap > 1000 && after.tc_decap - before.tc_decap > 1000, "{after:?}");
    assert_eq!((after.xdp_encap, after.xdp_decap), (before.xdp_encap, before.xdp_decap));

    dhcp::lease(&lab.ext, &lab.vms[0].host, "10.0.0.50")?;
    lab.vms[0].host.wait_reaches(&EXT.v4().to_string())
}

/// A hypervisor takes VXLAN only from the address that the database names, which is why the gateway has to send from it
/// and from no other.
#[test]
fn hypervisors_drop_what_comes_from_another_address_of_the_gateway() -> Result<()> {
    let lab = Filled::build()?;
    let other = Underlay::V4.ip(22);
    lab.cloud.gw.address("u0", &Underlay::V4.address(22))?;

    let mut config = lab.cloud.static_config(Mode::Xdp)?;
    let right = std::mem::replace(&mut config.vtep, vec![other]);
    let underlay = Wire::open(lab.cloud.hypervisors[0].host(), UPLINK)?;
    let mut gateway = Gateway::start(&lab.cloud.gw, &config)?;
    let vm = VM.v4().to_string();
    assert!(!lab.ext.reaches(&vm));
    assert_eq!(source_of_vxlan(&underlay)?, other);

    gateway.stop()?;
    config.vtep = right;
    std::fs::write(gateway.file(), config.to_string())?;
    gateway.resume()?;
    lab.ext.wait_reaches(&vm)
}
