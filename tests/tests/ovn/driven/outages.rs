//! The database or its controller fails: stale is better than empty.

use std::net::UdpSocket;

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{EXT, VM, VM2, VM3},
    flow::Flow,
    frame::Frame,
    gateway::Gateway,
    ovn::hypervisor::UPLINK,
    wait::{SOON, wait_for},
    wire::Wire,
};

use crate::{
    filled::{Filled, NET},
    outer::{Outer, PORT},
};

/// Waits until the agent's status has this state of its database.
fn wait_state(lab: &Filled, state: &str) -> Result<()> {
    let path = lab.cloud.driven_config(Mode::Xdp).run_dir.join("status.json");
    wait_for(&format!("the status has the database as {state}"), SOON, || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        status["database"]["state"] == state
    })
}

#[test]
fn forwarding_goes_on_without_the_database_and_follows_it_again_once_it_is_back() -> Result<()> {
    let mut lab = Filled::build()?;
    let gateway = Gateway::start(&lab.cloud.gw, &lab.cloud.driven_config(Mode::Xdp))?;
    lab.talk()?;
    let there = Flow::start(&lab.vms[0].host, &lab.ext, EXT.v4().into())?;
    let back = Flow::start(&lab.ext, &lab.vms[0].host, VM.v4().into())?;
    there.wait_more(100)?;

    wait_state(&lab, "following")?;
    lab.cloud.vtep.database().kill()?;
    wait_state(&lab, "gone")?;
    there.wait_more(200)?;
    back.wait_more(200)?;
    lab.ext.forget_neighbours()?;
    lab.ext.wait_reaches(&VM2.v4().to_string())?;

    lab.cloud.vtep.database().resume()?;
    wait_state(&lab, "following")?;
    there.wait_more(200)?;
    back.wait_more(200)?;
    let vm3 = lab.cloud.vm("vm3", NET, 1, VM3)?;
    lab.cloud.wait_written(NET, &vm3, VM3)?;
    let vtep = lab.cloud.vtep_of(&vm3);
    wait_for("the gateway has the VM that came after the outage", SOON, || {
        gateway.read().static_vtep(lab.vni, VM3.mac()).is_ok_and(|found| found == Some(vtep))
    })?;
    lab.ext.wait_reaches(&VM3.v4().to_string())?;
    for flow in [there, back] {
        assert_eq!(flow.finish()?.doubled, 0);
    }
    Ok(())
}

/// On its way out the controller also takes the gateway off the hypervisors' list, so these stop sending, and drop what
/// they get, until it is back. The gateway has no part in that: what it is sent still gets through, both ways.
#[test]
fn forwarding_goes_on_when_the_controller_has_taken_everything_away() -> Result<()> {
    let mut lab = Filled::build()?;
    let gateway = Gateway::start(&lab.cloud.gw, &lab.cloud.driven_config(Mode::Xdp))?;
    lab.talk()?;

    lab.cloud.vtep.part()?;
    assert_eq!(lab.cloud.vtep.vni(NET)?, None);
    assert!(lab.cloud.vtep.remote_macs(NET)?.unicast.is_empty());
    wait_state(&lab, "kept")?;

    let hypervisor = &lab.cloud.hypervisors[0];
    let (underlay, outside) = (Wire::open(hypervisor.host(), UPLINK)?, Wire::open(&lab.ext, "eth0")?);
    outside.send(&Frame::text(EXT.mac(), VM.mac(), "to the VM"))?;
    underlay.expect("the frame to the VM, in VXLAN", |frame| {
        Outer::parse(frame).is_some_and(|outer| outer.source == lab.cloud.tunnel() && outer.inner.has_text("to the VM"))
    })?;
    let packet = Frame::text(VM.mac(), EXT.mac(), "to the outside").in_vxlan(lab.vni);
    hypervisor.host().enter(|| {
        let socket = UdpSocket::bind((hypervisor.vtep(), 0))?;
        Ok(socket.send_to(&packet, (lab.cloud.tunnel(), PORT))?)
    })?;
    outside.expect("the frame to the outside", |frame| frame.has_text("to the outside"))?;
    assert!(gateway.read().static_vtep(lab.vni, VM.mac())?.is_some());

    lab.cloud.vtep.join(&lab.cloud.central.remote())?;
    lab.cloud.wait_written(NET, &lab.vms[0], VM)?;
    lab.cloud.wait_written(NET, &lab.vms[1], VM2)?;
    lab.talk()
}
