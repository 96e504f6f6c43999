//! Frames to all, who gets them, and who may send.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::Result;
use gateway_common::{
    counters::Drops,
    fdb::{REMOTE, STATIC},
    net::MacAddr,
};
use lab::{
    Host,
    config::Mode,
    crossing::{Crossing, EXT, GW, Plan, Site, Underlay, VM, VM2, VNI},
    frame::Frame,
    vxlan::VmHost,
    wait::{SOON, wait_for},
    wire::Wire,
};

/// The crossing with a second VTEP and the machine [`VM2`] behind it. The two VTEPs do not tunnel to each other, so
/// what gets from one to the other went through the gateway.
fn two_vteps(mode: Mode) -> Result<(Crossing, Host)> {
    let site = Site::build(Plan::mode(mode))?;
    let hv2 = VmHost::new(&site.und, "hv2", &Underlay::V4.address(12))?;
    hv2.join(VNI, &[Underlay::V4.ip(GW)])?;
    let vm2 = hv2.vm("vm2", VNI, &VM2.mac().to_string(), &["10.0.0.12/24"])?;
    let mut config = site.config();
    config.switch_mut(VNI).flood.push(hv2.vtep());
    let switch = config.switches.remove(0).remote(VM2.mac(), hv2.vtep());
    Ok((site.start(config.switch(switch))?, vm2))
}

/// A VXLAN packet made by hand, from a socket of `host`.
fn tunnel(host: &Host, vni: u32, frame: &Frame) -> Result<()> {
    let packet = frame.in_vxlan(vni);
    host.enter(|| {
        let socket = UdpSocket::bind((IpAddr::from([0; 4]), 0))?;
        socket.send_to(&packet, SocketAddr::new(Underlay::V4.ip(GW), 4789))?;
        Ok(())
    })
}

fn drops(lab: &Crossing) -> Drops {
    lab.gateway.read().drops().unwrap_or_default()
}

fn flood_and_split_horizon(mode: Mode) -> Result<()> {
    let (lab, vm2) = two_vteps(mode)?;
    let (at_vm, at_vm2, at_ext) =
        (Wire::open(&lab.vm, "eth0")?, Wire::open(&vm2, "eth0")?, Wire::open(&lab.ext, "eth0")?);

    // From a tunnel: to the VLAN, and not back into any tunnel.
    at_vm.send(&Frame::text(VM.mac(), MacAddr::BROADCAST, "from the vm"))?;
    at_ext.expect("the broadcast of the VM", |frame| frame.has_text("from the vm"))?;

    // From the VLAN: to every VTEP, once.
    at_ext.send(&Frame::text(EXT.mac(), MacAddr::BROADCAST, "from outside"))?;
    at_vm.expect("the broadcast from outside", |frame| frame.has_text("from outside"))?;
    at_vm2.expect("the broadcast from outside", |frame| {
        assert!(!frame.has_text("from the vm"), "a broadcast went from tunnel to tunnel");
        frame.has_text("from outside")
    })?;

    // Anything sent twice, or back, is there by the time the next frame is.
    at_ext.send(&Frame::text(EXT.mac(), MacAddr::BROADCAST, "the last"))?;
    for wire in [&at_vm, &at_vm2] {
        wire.expect("the last broadcast", |frame| {
            assert!(!frame.has_text("from outside"), "a broadcast came twice");
            frame.has_text("the last")
        })?;
    }
    assert!(!at_ext.arrived()?.iter().any(|frame| frame.has_text("from outside")), "a broadcast came back");
    Ok(())
}

#[test]
fn a_broadcast_goes_to_all_but_never_from_tunnel_to_tunnel_in_xdp_mode() -> Result<()> {
    flood_and_split_horizon(Mode::Xdp)
}

#[test]
fn a_broadcast_goes_to_all_but_never_from_tunnel_to_tunnel_in_tc_mode() -> Result<()> {
    flood_and_split_horizon(Mode::Tc)
}

#[test]
fn unicast_from_a_tunnel_to_a_station_behind_a_tunnel_is_dropped_and_counted() -> Result<()> {
    let (lab, vm2) = two_vteps(Mode::Xdp)?;
    let (at_vm, at_vm2) = (Wire::open(&lab.vm, "eth0")?, Wire::open(&vm2, "eth0")?);
    at_vm.send(&Frame::text(VM.mac(), VM2.mac(), "round the corner"))?;
    wait_for("the drop is counted", SOON, || drops(&lab).split_horizon == 1)?;
    assert!(!at_vm2.arrived()?.iter().any(|frame| frame.has_text("round the corner")));
    Ok(())
}

#[test]
fn a_vtep_nobody_named_is_dropped_and_counted() -> Result<()> {
    for mode in [Mode::Xdp, Mode::Tc] {
        let lab = Crossing::build(Plan::mode(mode))?;
        let stranger = lab.lab.host("stranger")?;
        lab.und.plug(&stranger, "u0")?;
        stranger.address("u0", "172.31.0.66/24")?;
        let at_ext = Wire::open(&lab.ext, "eth0")?;

        tunnel(&stranger, VNI, &Frame::text(VM2.mac(), EXT.mac(), "let me in"))?;
        wait_for("the drop is counted", SOON, || drops(&lab).unknown_vtep == 1)?;
        assert!(!at_ext.arrived()?.iter().any(|frame| frame.has_text("let me in")));
    }
    Ok(())
}

#[test]
fn a_vni_nobody_named_is_dropped_and_counted() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    tunnel(lab.hv.host(), 9999, &Frame::text(VM.mac(), EXT.mac(), "which network?"))?;
    wait_for("the drop is counted", SOON, || drops(&lab).unknown_vni == 1)
}

#[test]
fn a_static_remote_station_is_not_learned_from_the_vlan() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let at_ext = Wire::open(&lab.ext, "eth0")?;
    at_ext.send(&Frame::text(VM.mac(), MacAddr::BROADCAST, "I am the vm"))?;
    wait_for("the drop is counted", SOON, || drops(&lab).source_elsewhere == 1)?;

    let station = lab.gateway.read().station(VNI, VM.mac())?.expect("the VM is static");
    assert_eq!((station.to.kind, station.origin), (REMOTE, STATIC));
    lab.ext.wait_reaches(&VM.v4().to_string())
}

#[test]
fn unicast_to_a_station_unknown_on_both_sides_is_flooded() -> Result<()> {
    let (lab, vm2) = two_vteps(Mode::Xdp)?;
    let unknown = "02:dd:00:00:00:01".parse()?;
    let wires = [Wire::open(&lab.vm, "eth0")?, Wire::open(&vm2, "eth0")?];
    Wire::open(&lab.ext, "eth0")?.send(&Frame::text(EXT.mac(), unknown, "anybody there?"))?;
    for wire in wires {
        wire.expect("the flooded frame", |frame| frame.has_text("anybody there?"))?;
    }
    Ok(())
}
