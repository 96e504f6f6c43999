//! Losses are reported: ports that take no redirected frames, or not all, links that go, paths that are narrower.

use std::{net::UdpSocket, time::Duration};

use anyhow::{Context, Result};
use gateway_common::net::MacAddr;
use lab::{
    Host, Lab, bpf,
    bridge::Bridge,
    config::{Config, Mode, Place, Switch},
    crossing::{Crossing, EXT, GW, HV, Plan, Underlay, VLAN, VM, VNI, gateway_host},
    frame::Frame,
    gateway::Gateway,
    tap::Tap,
    vlan,
    vxlan::VmHost,
    wait::{SOON, wait_for, wait_some},
    wire::Wire,
};
use serde_json::Value;

/// A station behind the tap device.
const STATION: MacAddr = MacAddr([2, 0xee, 0, 0, 0, 0x55]);

/// A gateway whose access port is a tap device, and a remote VTEP of which the tests are the kernel.
struct Tapped {
    gateway: Gateway,
    tap: Tap,
    remote: Host,
    _gw: Host,
    _und: Bridge,
    _lab: Lab,
}

impl Tapped {
    fn build() -> Result<Self> {
        let lab = Lab::new()?;
        let und = Bridge::new(&lab, "und", 9100)?;
        let remote = lab.host("remote")?;
        und.plug(&remote, "u0")?;
        remote.address("u0", &Underlay::V4.address(HV))?;
        // Nothing is redirected to the uplink, so its far end need not take it; with such an MTU it could not.
        let gw = lab.host("gw")?;
        und.plug(&gw, "u0")?;
        gw.address("u0", &Underlay::V4.address(GW))?;
        let tap = Tap::new(&gw, "t0", 9000)?;
        let mut switch = Switch::new(VNI, &[Underlay::V4.ip(HV)]).bound("t0", 0);
        switch.macs.push((STATION, Place::Port("t0".into(), 0)));
        let config =
            Config::new(&gw, &[Underlay::V4.ip(GW)]).uplink("u0", Mode::Xdp).port("t0", Mode::Auto).switch(switch);
        let gateway = Gateway::start(&gw, &config)?;
        remote.wait_reaches(&Underlay::V4.ip(GW).to_string())?;
        Ok(Self { gateway, tap, remote, _gw: gw, _und: und, _lab: lab })
    }

    /// Sends frames to the station, through the tunnel.
    fn send(&self, frames: &[Frame]) -> Result<()> {
        self.remote.enter(|| {
            let socket = UdpSocket::bind((Underlay::V4.ip(HV), 50_000))?;
            for frame in frames {
                socket.send_to(&frame.in_vxlan(VNI), (Underlay::V4.ip(GW), 4789))?;
            }
            Ok(())
        })
    }
}

fn counter(gateway: &Gateway, name: &str) -> Result<u64> {
    let all = gateway.show("counters")?;
    let one = all.iter().find(|one| one["name"] == name).with_context(|| format!("no counter {name}"))?;
    one["count"].as_u64().context("no number")
}

fn interface(gateway: &Gateway, name: &str) -> Result<Value> {
    let status = gateway.status()?;
    let all = status["interfaces"].as_array().context("no interfaces")?;
    Ok(all.iter().find(|one| one["name"] == name).context("no such interface")?.clone())
}

fn problem(gateway: &Gateway, about: &str) -> Option<(String, String)> {
    gateway.problems().ok()?.into_iter().find(|(_, text)| text.contains(about))
}

#[test]
fn jumbo_frames_to_a_port_without_scatter_gather_are_delivered() -> Result<()> {
    let mut lab = Tapped::build()?;
    assert_eq!(interface(&lab.gateway, "t0")?["xdp_transmit"], true);
    assert_eq!(interface(&lab.gateway, "t0")?["xdp_transmit_sg"], false);
    for length in [100, 3000, 3500, 4500, 8000, 8900] {
        let text = format!("{length} bytes");
        let frame = Frame::text(VM.mac(), STATION, &text).stretched(length);
        lab.send(std::slice::from_ref(&frame))?;
        let seen = wait_some(&text, SOON, || lab.tap.taken().ok()?.into_iter().find(|frame| frame.has_text(&text)))?;
        assert_eq!(seen, frame);
    }
    let paths = lab.gateway.read().paths()?;
    assert_eq!(paths.xdp_decap + paths.tc_decap, 6, "{paths:?}");
    assert!(paths.xdp_decap >= 2 && paths.tc_decap >= 4, "{paths:?}");
    assert_eq!(counter(&lab.gateway, "redirect_refused")?, 0);
    Ok(())
}

#[test]
fn losses_of_a_port_that_nobody_reads_are_counted_and_reported() -> Result<()> {
    let mut lab = Tapped::build()?;
    let frame = Frame::text(VM.mac(), STATION, "hello");
    let mut sent = 0;
    let reported = wait_some("a problem of the port", SOON, || {
        lab.send(&vec![frame.clone(); 200]).ok()?;
        sent += 200;
        problem(&lab.gateway, "t0 loses frames")
    });
    let (severity, text) = reported?;
    assert_eq!(severity, "warning");
    assert!(text.contains("queue is full"), "{text}");
    // Redirected minus lost is the truth.
    let arrived = || -> Result<u64> { Ok(lab.gateway.read().paths()?.xdp_decap) };
    wait_for("all to have come", SOON, || arrived().is_ok_and(|count| count == sent))?;
    let full = counter(&lab.gateway, "redirect_full")?;
    assert!(full > 0);
    wait_for("the port's own count", SOON, || {
        interface(&lab.gateway, "t0").is_ok_and(|port| port["redirect_full"] == full)
    })?;
    let taken = lab.tap.taken()?.into_iter().filter(|frame| frame.has_text("hello")).count() as u64;
    assert_eq!(taken, sent - full);
    Ok(())
}

#[test]
fn a_port_that_stops_taking_redirected_frames_is_found_out_and_tc_sends_to_it() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    bpf::no_longer_pass(&lab.ext, "eth0")?;
    // The kernel takes a program off when it has the time.
    wait_for("a frame to be refused", SOON, || {
        let _ = lab.vm.reaches(&EXT.v4().to_string());
        lab.gateway.read().paths().is_ok_and(|paths| paths.redirect_refused > 0)
    })?;
    // Well before the next sweep, after which it would be seen anyhow.
    wait_for("TC to send", SOON, || {
        lab.vm.reaches(&EXT.v4().to_string()) && lab.gateway.read().paths().is_ok_and(|paths| paths.tc_decap > 0)
    })?;
    assert_eq!(interface(&lab.gateway, "a0")?["xdp_transmit"], false);
    wait_for("the port's own count", SOON, || {
        interface(&lab.gateway, "a0").is_ok_and(|port| port["redirect_refused"].as_u64() > Some(0))
    })
}

#[test]
fn losses_are_counted_while_no_agent_runs() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    lab.gateway.stop()?;
    bpf::no_longer_pass(&lab.ext, "eth0")?;
    wait_for("a loss to be counted", SOON, || {
        let _ = lab.vm.reaches(&EXT.v4().to_string());
        lab.gateway.read().paths().is_ok_and(|paths| paths.redirect_refused > 0)
    })
}

#[test]
fn a_station_behind_a_port_that_loses_its_carrier_is_forgotten_at_once() -> Result<()> {
    for mode in [Mode::Xdp, Mode::Tc] {
        let lab = Crossing::build(Plan::mode(mode))?;
        lab.vm.wait_reaches(&EXT.v4().to_string())?;
        let known = || lab.gateway.read().station(VNI, EXT.mac()).is_ok_and(|station| station.is_some());
        assert!(known());
        lab.ext.ip("link set dev eth0 down")?;
        wait_for("the station to be forgotten", SOON, || !known())?;
        wait_for("frames to it to be counted", SOON, || {
            let _ = lab.vm.reaches(&EXT.v4().to_string());
            lab.gateway.read().drops().is_ok_and(|drops| drops.port_down > 0)
        })?;
        lab.ext.ip("link set dev eth0 up")?;
        lab.vm.wait_reaches(&EXT.v4().to_string())?;
    }
    Ok(())
}

#[test]
fn a_narrow_link_behind_a_router_lowers_the_frame_limit_of_its_tunnel() -> Result<()> {
    for mode in [Mode::Xdp, Mode::Tc] {
        let lab = Lab::new()?;
        let near = Bridge::new(&lab, "near", 1600)?;
        let far = Bridge::new(&lab, "far", 1400)?;
        let router = lab.host("router")?;
        router.route()?;
        near.plug(&router, "n0")?;
        far.plug(&router, "f0")?;
        router.address("n0", "172.31.0.1/24")?;
        router.address("f0", "172.31.1.1/24")?;
        let hv = VmHost::new(&far, "hv", "172.31.1.11/24")?;
        hv.host().ip("route add default via 172.31.1.1")?;
        hv.join(VNI, &[Underlay::V4.ip(GW)])?;
        let _vm = hv.vm("vm", VNI, &VM.mac().to_string(), &["10.0.0.11/24"])?;
        let gw = gateway_host(&near, "gw", &Underlay::V4.address(GW))?;
        gw.ip("route add 172.31.1.0/24 via 172.31.0.1")?;
        let ext = vlan::host(&gw, "a0", VLAN, "ext", &EXT.mac().to_string(), &["10.0.0.101/24"])?;
        let config = Config::new(&gw, &[Underlay::V4.ip(GW)])
            .uplink("u0", mode)
            .port("a0", mode)
            .switch(Switch::new(VNI, &[hv.vtep()]).bound("a0", VLAN).remote(VM.mac(), hv.vtep()));
        let gateway = Gateway::start(&gw, &config)?;
        ext.wait_reaches(&VM.v4().to_string())?;

        let wire = Wire::open(&ext, "eth0")?;
        let limit = || gateway.show("tunnels").ok()?.first()?["max_frame_bytes"].as_u64();
        // 1600 less 20 of IPv4, 8 of UDP and 8 of VXLAN.
        assert_eq!(limit(), Some(1564));
        let long = Frame::text(EXT.mac(), VM.mac(), "long").stretched(1450);
        wait_for("the router's message to be recorded", SOON, || wire.send(&long).is_ok() && limit() == Some(1364))?;
        let tunnel = gateway.show("tunnels")?.remove(0);
        assert_eq!(tunnel["path_mtu_bytes"], 1400);
        assert!(tunnel["path_mtu_seconds_left"].as_u64().is_some_and(|left| (1..=600).contains(&left)), "{tunnel}");
        let (severity, text) =
            problem(&gateway, "carries packets of 1400 bytes at most").context("no problem is reported")?;
        assert!(severity == "warning" && text.contains("172.31.1.11") && text.contains("1350"), "{text}");
        let before = gateway.read().drops()?.too_big;
        wire.send(&long)?;
        wait_for("the drop to be counted", SOON, || gateway.read().drops().is_ok_and(|drops| drops.too_big > before))?;
        // What fits goes on.
        ext.run(&format!("ping -n -c 1 -W {} -s 1300 {}", Duration::from_secs(5).as_secs(), VM.v4()))?;
    }
    Ok(())
}
