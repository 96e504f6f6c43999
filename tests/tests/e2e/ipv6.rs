//! IPv6 inside the tunnel and around it.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, Plan, Underlay, VM},
    transfer,
};

/// Neighbour discovery finds the right station, and traffic crosses.
fn talk(lab: &Crossing) -> Result<()> {
    lab.vm.wait_reaches(&EXT.v6().to_string())?;
    assert_eq!(lab.vm.neighbour(EXT.v6().into()), Some(EXT.mac()));
    assert_eq!(lab.ext.neighbour(VM.v6().into()), Some(VM.mac()));
    transfer::udp(&lab.vm, &lab.ext, EXT.v6().into(), 1452)?;
    transfer::tcp(&lab.vm, &lab.ext, EXT.v6().into(), 2)?;
    transfer::tcp(&lab.ext, &lab.vm, VM.v6().into(), 2)
}

#[test]
fn neighbour_discovery_and_traffic_cross_in_xdp_mode() -> Result<()> {
    talk(&Crossing::build(Plan { ipv6: true, ..Plan::mode(Mode::Xdp) })?)
}

#[test]
fn neighbour_discovery_and_traffic_cross_in_tc_mode() -> Result<()> {
    talk(&Crossing::build(Plan { ipv6: true, ..Plan::mode(Mode::Tc) })?)
}

fn over_an_ipv6_underlay(mode: Mode) -> Result<()> {
    let lab = Crossing::build(Plan { ipv6: true, underlay: Underlay::V6, ..Plan::mode(mode) })?;
    talk(&lab)?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    transfer::tcp(&lab.vm, &lab.ext, EXT.v4().into(), 2)?;
    transfer::tcp(&lab.ext, &lab.vm, VM.v4().into(), 2)
}

#[test]
fn both_families_cross_an_ipv6_underlay_in_xdp_mode() -> Result<()> {
    over_an_ipv6_underlay(Mode::Xdp)
}

#[test]
fn both_families_cross_an_ipv6_underlay_in_tc_mode() -> Result<()> {
    over_an_ipv6_underlay(Mode::Tc)
}
