//! DHCP, with a real server on one side and a real client on the other.

use anyhow::Result;
use lab::{
    crossing::{Crossing, EXT, Plan, VM},
    dhcp::lease,
};

const OFFERED: &str = "10.0.0.50";

#[test]
fn a_vm_gets_its_address_from_a_server_outside() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lease(&lab.ext, &lab.vm, OFFERED)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())
}

#[test]
fn a_host_outside_gets_its_address_from_a_vm() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lease(&lab.vm, &lab.ext, OFFERED)?;
    lab.ext.wait_reaches(&VM.v4().to_string())
}
