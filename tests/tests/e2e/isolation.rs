//! Which logical switch a frame ends up in, by the VNI or the VLAN that it leaves with: frames and packets made by hand,
//! over cables on which the kernel takes tags off as it does everywhere.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use anyhow::Result;
use etherparse::PacketBuilder;
use gateway_common::{
    counters::Drops,
    headers::{ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, VXLAN_FLAG_I},
    net::MacAddr,
};
use lab::{
    Host, Lab,
    bridge::Bridge,
    cable::{End, connect_gateway},
    config::{Config, Mode, Switch},
    crossing::{EXT, EXT2, GW, HV, UNDERLAY_MTU, Underlay, VM, VM2, gateway_host},
    frame::Frame,
    gateway::Gateway,
    wait::{SOON, wait_for},
    wire::Wire,
};

/// A gateway between two VTEPs that are nothing but taps, and a trunk that is one.
struct Taps {
    gateway: Gateway,
    /// On the underlay, where the first remote VTEP is.
    hv: Wire,
    /// Where the second is.
    hv2: Wire,
    /// On the trunk.
    trunk: Wire,
    /// The gateway's address there.
    uplink: MacAddr,
    _hosts: Vec<Host>,
    _lab: Lab,
}

/// The second VTEP's number on the underlay.
const HV2: u8 = 12;
/// Networks by VNI, each with the VLAN it is bound to.
const NETWORKS: [(u32, u16); 3] = [(5001, 100), (5002, 200), (5003, 0)];

fn build(mode: Mode, control_protocols: bool) -> Result<Taps> {
    let lab = Lab::new()?;
    let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
    let gw = gateway_host(&und, "gw", &Underlay::V4.address(GW))?;
    let vteps = [("hv", HV), ("hv2", HV2)].map(|(name, number)| -> Result<Host> {
        let host = lab.host(name)?;
        und.plug(&host, "u0")?;
        host.address("u0", &Underlay::V4.address(number))?;
        Ok(host)
    });
    let [hv, hv2] = vteps;
    let (hv, hv2) = (hv?, hv2?);
    let ext = lab.host("ext")?;
    connect_gateway(End::new(&gw, "a0"), End::new(&ext, "eth0"))?;
    let mut config = Config::new(&gw, &[Underlay::V4.ip(GW)]).uplink("u0", mode).port("a0", mode);
    for (vni, vlan) in NETWORKS {
        let flood = [Underlay::V4.ip(HV), Underlay::V4.ip(HV2)];
        let mut switch = Switch::new(vni, &flood).bound("a0", vlan).remote(VM.mac(), Underlay::V4.ip(HV));
        switch.control_protocols = control_protocols;
        config = config.switch(switch);
    }
    let gateway = Gateway::start(&gw, &config)?;
    for host in [&hv, &hv2] {
        gw.wait_reaches(host.ip_json("addr show dev u0")?[0]["addr_info"][0]["local"].as_str().unwrap_or(""))?;
    }
    Ok(Taps {
        gateway,
        hv: Wire::open(&hv, "u0")?,
        hv2: Wire::open(&hv2, "u0")?,
        trunk: Wire::open(&ext, "eth0")?,
        uplink: gw.mac("u0")?,
        _hosts: vec![gw, hv, hv2, ext],
        _lab: lab,
    })
}

/// With a tag of some kind in front of whatever is there.
fn tagged(frame: Frame, kind: u16, vlan: u16) -> Frame {
    let mut payload = vlan.to_be_bytes().to_vec();
    let inner = frame.bytes();
    payload.extend(&inner[12..]);
    Frame { dst: frame.dst, src: frame.src, vlan: None, ethertype: kind, payload }
}

/// The VNI and what is inside, if it is a VXLAN packet over IPv4.
fn inside(packet: &Frame) -> Option<(u32, Frame)> {
    let vxlan = (packet.ethertype == ETH_P_IP).then(|| packet.payload.get(28..)).flatten()?;
    let vni = u32::from_be_bytes([0, *vxlan.get(4)?, *vxlan.get(5)?, *vxlan.get(6)?]);
    Some((vni, Frame::parse(vxlan.get(8..)?)?))
}

fn drops(taps: &Taps) -> Drops {
    taps.gateway.read().drops().unwrap_or_default()
}

/// Frames of the trunk by their text, with the VNIs that each has left with by the time the last one has.
fn vnis_out(taps: &Taps, frames: Vec<(&str, Frame)>) -> Result<BTreeMap<String, Vec<u32>>> {
    let out: BTreeMap<String, Vec<u32>> = frames.iter().map(|(text, _)| ((*text).to_owned(), Vec::new())).collect();
    let out = RefCell::new(out);
    for (_, frame) in &frames {
        taps.trunk.send(frame)?;
    }
    let last = Frame::text(EXT.mac(), MacAddr::BROADCAST, "the last");
    taps.trunk.send(&tagged(last, ETH_P_8021Q, 100))?;
    taps.hv.expect("the last frame", |packet| {
        let Some((vni, inner)) = inside(packet) else { return false };
        for (_, vnis) in out.borrow_mut().iter_mut().filter(|(text, _)| inner.has_text(text)) {
            vnis.push(vni);
        }
        inner.has_text("the last")
    })?;
    Ok(out.into_inner())
}

fn tags_decide(mode: Mode) -> Result<()> {
    let taps = build(mode, false)?;
    let to_all = |text| Frame::text(EXT.mac(), MacAddr::BROADCAST, text);
    let to_vm = |text| Frame::text(EXT.mac(), VM.mac(), text);
    let frames = vec![
        ("all, untagged", to_all("all, untagged")),
        ("all, C 100", tagged(to_all("all, C 100"), ETH_P_8021Q, 100)),
        ("all, C 200", tagged(to_all("all, C 200"), ETH_P_8021Q, 200)),
        ("all, C 300", tagged(to_all("all, C 300"), ETH_P_8021Q, 300)),
        ("all, S 100", tagged(to_all("all, S 100"), ETH_P_8021AD, 100)),
        ("all, S 200", tagged(to_all("all, S 200"), ETH_P_8021AD, 200)),
        ("all, S 0", tagged(to_all("all, S 0"), ETH_P_8021AD, 0)),
        ("all, S 100 C 200", tagged(tagged(to_all("all, S 100 C 200"), ETH_P_8021Q, 200), ETH_P_8021AD, 100)),
        ("all, C 100 C 200", tagged(tagged(to_all("all, C 100 C 200"), ETH_P_8021Q, 200), ETH_P_8021Q, 100)),
        ("all, C 100 S 200", tagged(tagged(to_all("all, C 100 S 200"), ETH_P_8021AD, 200), ETH_P_8021Q, 100)),
        ("VM, untagged", to_vm("VM, untagged")),
        ("VM, C 100", tagged(to_vm("VM, C 100"), ETH_P_8021Q, 100)),
        ("VM, S 100", tagged(to_vm("VM, S 100"), ETH_P_8021AD, 100)),
        ("VM, S 200", tagged(to_vm("VM, S 200"), ETH_P_8021AD, 200)),
        ("VM, S 100 C 100", tagged(tagged(to_vm("VM, S 100 C 100"), ETH_P_8021Q, 100), ETH_P_8021AD, 100)),
    ];
    let out = vnis_out(&taps, frames)?;
    let expected: BTreeMap<&str, u32> = [
        ("all, untagged", 5003),
        ("all, C 100", 5001),
        ("all, C 200", 5002),
        ("VM, untagged", 5003),
        ("VM, C 100", 5001),
    ]
    .into();
    for (text, vnis) in out {
        let expected: Vec<u32> = expected.get(text.as_str()).copied().into_iter().collect();
        assert_eq!(vnis, expected, "{text}, in {mode} mode");
    }
    // The port is bound untagged, too, and a service tag makes no VLAN: it is reported.
    assert!(drops(&taps).inner_tagged >= 9, "{:?}", drops(&taps));
    Ok(())
}

#[test]
fn a_service_tag_is_never_taken_for_a_vlan_in_xdp_mode() -> Result<()> {
    tags_decide(Mode::Xdp)
}

#[test]
fn a_service_tag_is_never_taken_for_a_vlan_in_tc_mode() -> Result<()> {
    tags_decide(Mode::Tc)
}

/// A VXLAN packet from one of the VTEPs.
struct Packet {
    from: u8,
    dst: MacAddr,
    flags: u8,
    mapped: bool,
    vni: u32,
}

impl Packet {
    fn with(&self, inner: &Frame) -> Frame {
        let mut payload = vec![self.flags, 0, 0, 0];
        payload.extend((self.vni << 8).to_be_bytes());
        payload.extend(inner.bytes());
        let octets = |number| match Underlay::V4.ip(number) {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => [0; 4],
        };
        let mapped = |number| std::net::Ipv4Addr::from(octets(number)).to_ipv6_mapped().octets();
        let ethernet = PacketBuilder::ethernet2([2, 0x77, 0, 0, 0, self.from], self.dst.0);
        let ip = match self.mapped {
            true => ethernet.ipv6(mapped(self.from), mapped(GW), 64),
            false => ethernet.ipv4(octets(self.from), octets(GW), 64),
        };
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = ip.udp(50_000, 4789).write(&mut bytes, &payload);
        let ethertype = if self.mapped { 0x86dd } else { ETH_P_IP };
        let src = MacAddr([2, 0x77, 0, 0, 0, self.from]);
        Frame { dst: self.dst, src, vlan: None, ethertype, payload: bytes[14..].to_vec() }
    }
}

fn outermost_decides(mode: Mode) -> Result<()> {
    let taps = build(mode, false)?;
    let good = || Packet { from: HV, dst: taps.uplink, flags: VXLAN_FLAG_I, mapped: false, vni: 5001 };
    let to_all = |text| Frame::text(VM.mac(), MacAddr::BROADCAST, text);
    let to_ext = |text| Frame::text(VM.mac(), EXT.mac(), text);
    // The outside host is learned, so that there is known unicast.
    taps.trunk.send(&tagged(Frame::text(EXT.mac(), MacAddr::BROADCAST, "here I am"), ETH_P_8021Q, 100))?;
    taps.hv
        .expect("the outside host", |packet| inside(packet).is_some_and(|(_, inner)| inner.has_text("here I am")))?;
    // A cached flow.
    for _ in 0..3 {
        taps.hv.send(&good().with(&to_ext("good")))?;
    }
    let elsewhere = MacAddr([2, 0x99, 0, 0, 0, 1]);
    for inner in [to_ext("bad"), to_all("bad")] {
        for dst in [elsewhere, MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 0, 0, 5])] {
            taps.hv.send(&Packet { dst, ..good() }.with(&inner))?;
        }
        for (kind, vlan) in [(ETH_P_8021Q, 7), (ETH_P_8021Q, 100), (ETH_P_8021AD, 7)] {
            taps.hv.send(&tagged(good().with(&inner), kind, vlan))?;
        }
        for flags in [0x0c, 0x88, 0x38, 0x09] {
            taps.hv.send(&Packet { flags, ..good() }.with(&inner))?;
        }
        taps.hv.send(&Packet { mapped: true, ..good() }.with(&inner))?;
    }
    taps.hv.send(&good().with(&to_all("the last")))?;
    let seen = RefCell::new(Vec::new());
    taps.trunk.expect("the last frame", |frame| {
        assert!(!frame.has_text("bad"), "a packet that is not for the gateway came out of it: {frame:?}");
        seen.borrow_mut().extend(frame.has_text("good").then_some(frame.vlan));
        frame.has_text("the last")
    })?;
    assert_eq!(seen.into_inner(), [Some(100); 3], "in {mode} mode");
    let drops = drops(&taps);
    assert_eq!((drops.outer_misaddressed, drops.outer_extended, drops.outer_malformed), (10, 8, 2), "{drops:?}");
    Ok(())
}

#[test]
fn a_packet_addressed_otherwise_or_in_another_format_reaches_no_vlan_in_xdp_mode() -> Result<()> {
    outermost_decides(Mode::Xdp)
}

#[test]
fn a_packet_addressed_otherwise_or_in_another_format_reaches_no_vlan_in_tc_mode() -> Result<()> {
    outermost_decides(Mode::Tc)
}

fn sources_decide(mode: Mode) -> Result<()> {
    let taps = build(mode, false)?;
    let from = |from| Packet { from, dst: taps.uplink, flags: VXLAN_FLAG_I, mapped: false, vni: 5001 };
    for station in [EXT, EXT2] {
        taps.trunk.send(&tagged(Frame::text(station.mac(), MacAddr::BROADCAST, "here I am"), ETH_P_8021Q, 100))?;
        taps.hv2.expect("the outside host", |packet| {
            inside(packet).is_some_and(|(_, inner)| inner.src == station.mac() && inner.has_text("here I am"))
        })?;
    }
    for dst in [EXT.mac(), MacAddr::BROADCAST] {
        // The VM is static behind the other VTEP, and the outside host is on the VLAN.
        taps.hv2.send(&from(HV2).with(&Frame::text(VM.mac(), dst, "forged")))?;
        taps.hv2.send(&from(HV2).with(&Frame::text(EXT2.mac(), dst, "forged")))?;
        // Nothing places this one.
        taps.hv2.send(&from(HV2).with(&Frame::text(VM2.mac(), dst, "true")))?;
    }
    taps.hv2.send(&from(HV2).with(&Frame::text(VM2.mac(), MacAddr::BROADCAST, "the last")))?;
    let seen = Cell::new(0);
    taps.trunk.expect("the last frame", |frame| {
        assert!(!frame.has_text("forged"), "{frame:?}");
        seen.set(seen.get() + u64::from(frame.has_text("true")));
        frame.has_text("the last")
    })?;
    assert_eq!((seen.get(), drops(&taps).source_elsewhere), (2, 4), "in {mode} mode");
    Ok(())
}

#[test]
fn a_forged_source_does_not_leave_a_tunnel_in_xdp_mode() -> Result<()> {
    sources_decide(Mode::Xdp)
}

#[test]
fn a_forged_source_does_not_leave_a_tunnel_in_tc_mode() -> Result<()> {
    sources_decide(Mode::Tc)
}

#[test]
fn control_protocols_leave_a_tunnel_only_where_a_switch_asks_for_it() -> Result<()> {
    for (mode, allowed) in [(Mode::Xdp, false), (Mode::Tc, false), (Mode::Xdp, true)] {
        let taps = build(mode, allowed)?;
        let from = Packet { from: HV, dst: taps.uplink, flags: VXLAN_FLAG_I, mapped: false, vni: 5001 };
        for group in [[1, 0, 0x0c, 0xcc, 0xcc, 0xcd], [1, 0, 0x0c, 0xcc, 0xcc, 0xcc], [1, 0x80, 0xc2, 0, 0, 0x21]] {
            taps.hv.send(&from.with(&Frame::text(VM.mac(), MacAddr(group), "control")))?;
        }
        taps.hv.send(&from.with(&Frame::text(VM.mac(), MacAddr::BROADCAST, "the last")))?;
        let seen = Cell::new(0);
        taps.trunk.expect("the last frame", |frame| {
            seen.set(seen.get() + u64::from(frame.has_text("control")));
            frame.has_text("the last")
        })?;
        let expected = if allowed { (3, 0) } else { (0, 3) };
        assert_eq!((seen.get(), drops(&taps).control_protocol), expected, "in {mode} mode");
    }
    Ok(())
}

#[test]
fn a_vlan_that_uses_up_its_budget_takes_nothing_from_its_neighbour() -> Result<()> {
    let taps = build(Mode::Xdp, false)?;
    let station = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        MacAddr([2, 0xdb, 0, a, b, c])
    };
    let mut number = 0;
    wait_for("the budget acts", SOON, || {
        for _ in 0..2000 {
            number += 1;
            let frame = Frame::text(station(number), VM.mac(), "forged");
            if taps.trunk.send(&tagged(frame, ETH_P_8021Q, 100)).is_err() {
                return false;
            }
        }
        taps.gateway.read().paths().is_ok_and(|paths| paths.learn_budget > 0)
    })?;
    taps.trunk.send(&tagged(Frame::text(EXT.mac(), VM.mac(), "true"), ETH_P_8021Q, 200))?;
    wait_for("the neighbour is learned", SOON, || {
        taps.gateway.read().station(5002, EXT.mac()).is_ok_and(|station| station.is_some())
    })
}
