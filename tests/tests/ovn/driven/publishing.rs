//! The gateway publishes the stations outside promptly, and no others.

use std::collections::BTreeSet;

use anyhow::Result;
use gateway_common::net::MacAddr;
use lab::{
    config::Mode,
    crossing::{EXT, EXT2, VM},
    frame::Frame,
    gateway::Gateway,
    ovn::cloud::PORT,
    wait::{SOON, wait_for},
    wire::Wire,
};

use crate::filled::{Filled, NET};

/// Waits until the database has `mac` as a station outside, or has it no more.
fn wait_local(lab: &Filled, mac: MacAddr, there: bool) -> Result<()> {
    let own = BTreeSet::from([lab.cloud.tunnel()]);
    let what = format!("{mac} is {} as a station outside", if there { "published" } else { "withdrawn" });
    wait_for(&what, SOON, || {
        lab.cloud.vtep.local_macs(NET).is_ok_and(|macs| match macs.unicast.get(&mac) {
            Some(vteps) => there && *vteps == own,
            None => !there,
        })
    })
}

#[test]
fn stations_outside_are_published_and_withdrawn() -> Result<()> {
    let lab = Filled::build()?;
    let mut config = lab.cloud.driven_config(Mode::Xdp);
    config.ageing = Some(5);
    let _gateway = Gateway::start(&lab.cloud.gw, &config)?;

    // One that sends all the time, and one that sends once.
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    wait_local(&lab, EXT.mac(), true)?;
    let own = BTreeSet::from([lab.cloud.tunnel()]);
    wait_for("frames to nobody in particular are to come to the gateway too", SOON, || {
        lab.cloud.vtep.local_macs(NET).is_ok_and(|macs| macs.unknown == own)
    })?;
    let wire = Wire::open(&lab.ext, "eth0")?;
    let send = |mac| wire.send(&Frame::text(mac, MacAddr::BROADCAST, "I am here"));

    // A station of the cloud is never published, whatever arrives from outside. The other one comes after it.
    send(VM.mac())?;
    send(EXT2.mac())?;
    wait_local(&lab, EXT2.mac(), true)?;
    assert!(!lab.cloud.vtep.local_macs(NET)?.unicast.contains_key(&VM.mac()));

    // It sends nothing more, and is forgotten.
    wait_local(&lab, EXT2.mac(), false)?;

    // A machine that moves into the cloud.
    send(EXT2.mac())?;
    wait_local(&lab, EXT2.mac(), true)?;
    let moved = lab.cloud.vm("moved", NET, 0, EXT2)?;
    lab.cloud.wait_written(NET, &moved, EXT2)?;
    wait_local(&lab, EXT2.mac(), false)?;
    lab.ext.wait_reaches(&EXT2.v4().to_string())?;

    // Without the binding, nobody is there.
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    wait_local(&lab, EXT.mac(), true)?;
    lab.cloud.vtep.unbind(PORT, 100)?;
    wait_local(&lab, EXT.mac(), false)
}
