//! The main job: a cloud and a VLAN are one network because the database binds them.

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::EXT,
    dhcp,
    gateway::{self, Gateway},
    wait::Stopwatch,
};

use crate::filled::Filled;

#[test]
fn a_filled_database_is_all_a_gateway_needs() -> Result<()> {
    let lab = Filled::build()?;
    gateway::binary()?;
    let ext = EXT.v4().to_string();

    let watch = Stopwatch::start();
    let gateway = Gateway::start(&lab.cloud.gw, &lab.cloud.driven_config(Mode::Xdp))?;
    let ready = watch.elapsed();
    lab.vms[0].host.wait_reaches(&ext)?;
    println!("ready {} ms after the start, first ping {} ms", ready.as_millis(), watch.elapsed().as_millis());

    lab.talk()?;
    lab.shout()?;
    let paths = gateway.read().paths()?;
    assert!(paths.xdp_encap > 1000 && paths.xdp_decap > 1000, "{paths:?}");

    dhcp::lease(&lab.ext, &lab.vms[0].host, "10.0.0.50")?;
    lab.vms[0].host.wait_reaches(&ext)
}
