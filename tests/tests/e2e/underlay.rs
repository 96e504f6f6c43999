//! The way to the remote VTEPs: routers, addresses that change, links that go away and come back.

use anyhow::Result;
use lab::{
    bridge::Bridge,
    config::{Config, Mode, Switch},
    crossing::{Crossing, EXT, GW, HV, Plan, Site, UNDERLAY_MTU, Underlay, VLAN, VM, VNI, gateway_host},
    gateway::Gateway,
    transfer, vlan,
    vxlan::VmHost,
    wait::{SOON, wait_for},
};

#[test]
fn a_vtep_behind_a_router_is_reached_also_when_the_router_gets_another_mac() -> Result<()> {
    let lab = lab::Lab::new()?;
    let near = Bridge::new(&lab, "near", UNDERLAY_MTU)?;
    let far = Bridge::new(&lab, "far", UNDERLAY_MTU)?;
    let router = lab.host("router")?;
    router.route()?;
    near.plug(&router, "n0")?;
    far.plug(&router, "f0")?;
    router.address("n0", "172.31.0.1/24")?;
    router.address("f0", "172.31.1.1/24")?;
    router.announce_addresses()?;

    let hv = VmHost::new(&far, "hv", "172.31.1.11/24")?;
    hv.host().ip("route add default via 172.31.1.1")?;
    hv.join(VNI, &[Underlay::V4.ip(GW)])?;
    let vm = hv.vm("vm", VNI, &VM.mac().to_string(), &["10.0.0.11/24"])?;
    let gw = gateway_host(&near, "gw", &Underlay::V4.address(GW))?;
    gw.ip("route add 172.31.1.0/24 via 172.31.0.1")?;
    let ext = vlan::host(&gw, "a0", VLAN, "ext", &EXT.mac().to_string(), &["10.0.0.101/24"])?;
    let config = Config::new(&gw, &[Underlay::V4.ip(GW)])
        .uplink("u0", Mode::Xdp)
        .port("a0", Mode::Xdp)
        .switch(Switch::new(VNI, &[hv.vtep()]).bound("a0", VLAN).remote(VM.mac(), hv.vtep()));
    let _gateway = Gateway::start(&gw, &config)?;

    ext.wait_reaches(&VM.v4().to_string())?;
    transfer::tcp(&ext, &vm, VM.v4().into(), 1)?;

    router.ip("link set dev n0 address 02:99:00:00:00:01")?;
    ext.wait_reaches(&VM.v4().to_string())?;
    assert_eq!(gw.neighbour([172, 31, 0, 1].into()), Some("02:99:00:00:00:01".parse()?));
    transfer::tcp(&ext, &vm, VM.v4().into(), 1)
}

#[test]
fn a_route_that_changes_is_followed() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;

    // The VM host is to be reached through a router now, which is a detour on the same network.
    let router = lab.lab.host("router")?;
    router.route()?;
    lab.und.plug(&router, "u0")?;
    router.address("u0", "172.31.0.1/24")?;
    lab.gw.ip(&format!("route add {}/32 via 172.31.0.1", Underlay::V4.ip(HV)))?;
    let forwarded = || -> Result<u64> {
        let links = router.ip_json("-s link show dev u0")?;
        Ok(links[0]["stats64"]["rx"]["packets"].as_u64().unwrap_or_default())
    };
    wait_for("the detour is taken", SOON, || {
        let before = forwarded().unwrap_or_default();
        lab.ext.attempt(&format!("ping -n -q -c 10 -i 0.01 -W 1 {}", VM.v4())).is_ok_and(|ping| ping.status.success())
            && forwarded().unwrap_or_default() >= before + 10
    })
}

#[test]
fn a_vtep_that_comes_up_later_is_counted_until_then_and_reached_from_then_on() -> Result<()> {
    let site = Site::build(Plan::default())?;
    site.hv.host().ip("link set dev u0 down")?;
    let config = site.config();
    let lab = site.start(config)?;

    assert!(!lab.ext.reaches(&VM.v4().to_string()));
    let drops = lab.gateway.read().drops()?;
    assert!(drops.tunnel_unresolved > 0, "{drops:?}");

    lab.hv.host().ip("link set dev u0 up")?;
    lab.ext.wait_reaches(&VM.v4().to_string())
}

#[test]
fn traffic_is_back_after_the_uplink_lost_its_carrier() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    lab.und.host().ip("link set dev gw down")?;
    wait_for("nothing crosses", SOON, || !lab.ext.reaches(&VM.v4().to_string()))?;
    lab.und.host().ip("link set dev gw up")?;
    lab.ext.wait_reaches(&VM.v4().to_string())
}

#[test]
fn traffic_is_back_after_the_uplink_was_switched_off() -> Result<()> {
    for mode in [Mode::Xdp, Mode::Tc] {
        let lab = Crossing::build(Plan::mode(mode))?;
        lab.ext.wait_reaches(&VM.v4().to_string())?;
        lab.gw.ip("link set dev u0 down")?;
        wait_for("nothing crosses", SOON, || !lab.ext.reaches(&VM.v4().to_string()))?;
        lab.gw.ip("link set dev u0 up")?;
        lab.ext.wait_reaches(&VM.v4().to_string())?;
    }
    Ok(())
}

#[test]
fn traffic_is_back_after_the_access_port_was_switched_off() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    lab.gw.ip("link set dev a0 down")?;
    wait_for("nothing crosses", SOON, || !lab.vm.reaches(&EXT.v4().to_string()))?;
    lab.gw.ip("link set dev a0 up")?;
    lab.vm.wait_reaches(&EXT.v4().to_string())
}
