//! VMs come, move and go while others talk.

use std::net::IpAddr;

use anyhow::Result;
use lab::{
    config::Mode,
    crossing::{EXT, Station, VM, VM3},
    flow::Flow,
    gateway::Gateway,
    ovn::Vm,
    wait::{SOON, Stopwatch, wait_some},
};

use crate::filled::{Filled, NET};

/// Waits until the gateway has a VM at the hypervisor that it is on.
fn wait_forwarded(lab: &Filled, gateway: &Gateway, vm: &Vm, station: Station) -> Result<()> {
    let watch = Stopwatch::start();
    lab.cloud.wait_written(NET, vm, station)?;
    let written = watch.elapsed();
    let (readings, vtep) = (gateway.read(), lab.cloud.vtep_of(vm));
    wait_some(&format!("the gateway has {} behind {vtep}", station.mac()), SOON, || {
        (readings.static_vtep(lab.vni, station.mac()).ok()? == Some(vtep)).then_some(())
    })?;
    println!("seen in the map {} ms after it was seen in the database", (watch.elapsed() - written).as_millis());
    Ok(())
}

#[test]
fn vms_come_move_and_go_while_others_talk() -> Result<()> {
    let lab = Filled::build()?;
    let gateway = Gateway::start(&lab.cloud.gw, &lab.cloud.driven_config(Mode::Xdp))?;
    let (ext, vm) = (&lab.ext, &lab.vms[0].host);
    vm.wait_reaches(&EXT.v4().to_string())?;
    let there = Flow::start(vm, ext, EXT.v4().into())?;
    let back = Flow::start(ext, vm, VM.v4().into())?;
    there.wait_more(100)?;

    let address: IpAddr = VM3.v4().into();
    let mut vm3 = lab.cloud.vm("vm3", NET, 1, VM3)?;
    wait_forwarded(&lab, &gateway, &vm3, VM3)?;
    ext.wait_reaches(&address.to_string())?;

    let moving = Flow::start(ext, &vm3.host, address)?;
    for hypervisor in [0, 1] {
        moving.wait_more(100)?;
        lab.cloud.migrate(&mut vm3, hypervisor)?;
        wait_forwarded(&lab, &gateway, &vm3, VM3)?;
        moving.wait_more(100)?;
    }
    let tally = moving.finish()?;
    println!("the VM that moved twice missed {} of {} packets", tally.lost.len(), tally.sent);
    assert_eq!(tally.doubled, 0);

    lab.cloud.remove(vm3)?;
    wait_some("the gateway has forgotten the VM that is gone", SOON, || {
        gateway.read().station(lab.vni, VM3.mac()).ok()?.is_none().then_some(())
    })?;
    assert!(!ext.reaches(&address.to_string()));

    for flow in [there, back] {
        flow.wait_more(100)?;
        let tally = flow.finish()?;
        // Switches in userspace may lose some on a busy machine; the gateway may not.
        println!("the VM that stayed missed {} of {} packets", tally.lost.len(), tally.sent);
        assert_eq!(tally.doubled, 0);
    }
    let drops = gateway.read().drops()?;
    assert_eq!((drops.unknown_vni, drops.unknown_vtep, drops.tunnel_unresolved), (0, 0, 0), "{drops:?}");
    Ok(())
}
