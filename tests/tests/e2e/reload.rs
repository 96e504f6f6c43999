//! SIGHUP: a new configuration is applied as a difference, a bad one not at all.

use anyhow::Result;
use lab::{
    Host,
    config::Switch,
    crossing::{Crossing, EXT, EXT2, GW, Plan, Site, Underlay, VM, VM2, VNI},
    flow::Flow,
    vlan,
};

const VLAN2: u16 = 200;
const VNI2: u32 = 5002;

/// The crossing with a second port that has no binding yet, the host [`EXT2`] on it, and the machine [`VM2`] in a
/// second VXLAN network.
fn build() -> Result<(Crossing, Host, Host)> {
    let site = Site::build(Plan::default())?;
    let ext2 = vlan::host(&site.gw, "a1", VLAN2, "ext2", &EXT2.mac().to_string(), &["10.0.0.102/24"])?;
    site.hv.join(VNI2, &[Underlay::V4.ip(GW)])?;
    let vm2 = site.hv.vm("vm2", VNI2, &VM2.mac().to_string(), &["10.0.0.12/24"])?;
    let config = site.config().port("a1", site.plan.port);
    let lab = site.start(config)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    Ok((lab, ext2, vm2))
}

#[test]
fn bindings_and_networks_come_move_and_go_while_others_lose_nothing() -> Result<()> {
    let (mut lab, ext2, vm2) = build()?;
    let (vm, ext2_ip) = (VM.v4().to_string(), EXT2.v4().to_string());
    let there = Flow::start(&lab.vm, &lab.ext, EXT.v4().into())?;
    let back = Flow::start(&lab.ext, &lab.vm, VM.v4().into())?;
    assert!(!ext2.reaches(&vm));

    // A binding is added to the first network.
    lab.config.switch_mut(VNI).bindings.push(("a1".into(), VLAN2));
    lab.gateway.reload(&lab.config)?;
    ext2.wait_reaches(&vm)?;

    // It moves to a second network, which is new.
    lab.config.switch_mut(VNI).bindings.pop();
    let hv = lab.hv.vtep();
    lab.config.switches.push(Switch::new(VNI2, &[hv]).bound("a1", VLAN2).remote(VM2.mac(), hv));
    lab.gateway.reload(&lab.config)?;
    vm2.wait_reaches(&ext2_ip)?;
    assert!(!ext2.reaches(&vm), "the binding is in the old network still");

    // Another VLAN of the port is bound, and then the right one again.
    lab.config.switch_mut(VNI2).bindings = vec![("a1".into(), VLAN2 + 1)];
    lab.gateway.reload(&lab.config)?;
    assert!(!vm2.reaches(&ext2_ip));
    lab.config.switch_mut(VNI2).bindings = vec![("a1".into(), VLAN2)];
    lab.gateway.reload(&lab.config)?;
    vm2.wait_reaches(&ext2_ip)?;

    // The network goes.
    lab.config.switches.pop();
    lab.gateway.reload(&lab.config)?;
    assert!(!vm2.reaches(&ext2_ip));

    for flow in [there, back] {
        let tally = flow.finish()?;
        assert!(tally.is_whole(), "{tally:?}");
    }
    Ok(())
}

#[test]
fn a_bad_file_is_refused_and_what_runs_goes_on() -> Result<()> {
    let (mut lab, ..) = build()?;
    let good = lab.config.to_string();
    let flow = Flow::start(&lab.vm, &lab.ext, EXT.v4().into())?;
    for bad in [
        "",
        "[gateway",
        &good.replace("vni = 5001", "vni = 0"),
        &good.replace("\"a0\", vlan = 100", "\"a0\", vlan = 4095"),
    ] {
        let line = lab.gateway.reload_text(bad)?;
        assert!(line.contains("reload refused"), "{line}");
    }
    lab.ext.forget_neighbours()?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let line = lab.gateway.reload_text(&good)?;
    assert!(line.contains("reloaded"), "{line}");
    let tally = flow.finish()?;
    assert!(tally.lost.is_empty(), "{tally:?}");
    Ok(())
}

#[test]
fn a_vtep_taken_out_may_no_longer_send() -> Result<()> {
    let (mut lab, ..) = build()?;
    let switch = lab.config.switch_mut(VNI);
    switch.flood.clear();
    switch.macs.clear();
    lab.gateway.reload(&lab.config)?;
    assert!(!lab.vm.reaches(&EXT.v4().to_string()));
    let drops = lab.gateway.read().drops()?;
    assert!(drops.unknown_vtep > 0, "{drops:?}");
    Ok(())
}
