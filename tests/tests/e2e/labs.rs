//! The labs themselves: what the other tests stand on, shown without a gateway.

use std::{net::IpAddr, path::Path};

use anyhow::Result;
use lab::{
    Lab, bpf,
    bridge::Bridge,
    cable::{End, connect, finish_frames},
    crossing::{EXT, EXT2, GW, Plan, Site, UNDERLAY_MTU, Underlay, VM, VM2, VNI},
    flow::Flow,
    frame::Frame,
    ovs::Ovs,
    sweep, transfer, vlan,
    vxlan::VmHost,
    wait::SOON,
    wire::Wire,
};

#[test]
fn vms_of_two_vtep_hosts_talk_without_a_gateway() -> Result<()> {
    for underlay in [Underlay::V4, Underlay::V6] {
        let lab = Lab::new()?;
        let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
        let one = VmHost::new(&und, "one", &underlay.address(1))?;
        let two = VmHost::new(&und, "two", &underlay.address(2))?;
        one.join(VNI, &[two.vtep()])?;
        two.join(VNI, &[one.vtep()])?;
        let vm = one.vm("vm", VNI, &VM.mac().to_string(), &["10.0.0.11/24"])?;
        let vm2 = two.vm("vm2", VNI, &VM2.mac().to_string(), &["10.0.0.12/24"])?;

        vm.wait_reaches("10.0.0.12")?;
        transfer::tcp(&vm, &vm2, VM2.v4().into(), 2)?;
        transfer::udp(&vm, &vm2, VM2.v4().into(), 1400)?;
    }
    Ok(())
}

#[test]
fn hosts_that_tag_themselves_talk_within_their_vlan_only() -> Result<()> {
    let lab = Lab::new()?;
    let middle = lab.host("middle")?;
    let hosts = [("one", 100, EXT), ("two", 100, EXT2), ("three", 200, VM)]
        .into_iter()
        .map(|(name, vlan, station)| {
            let address = format!("{}/24", station.v4());
            vlan::host(&middle, name, vlan, name, &station.mac().to_string(), &[&address])
        })
        .collect::<Result<Vec<_>>>()?;
    middle.ip("link add br0 type bridge")?;
    middle.ip("link set br0 up")?;
    for port in ["one", "two", "three"] {
        middle.ip(&format!("link set {port} master br0"))?;
    }

    hosts[0].wait_reaches(&EXT2.v4().to_string())?;
    assert!(!hosts[0].reaches(&VM.v4().to_string()));
    transfer::tcp(&hosts[0], &hosts[1], EXT2.v4().into(), 2)
}

#[test]
fn an_access_port_of_open_vswitch_is_tagged_on_the_trunk() -> Result<()> {
    let lab = Lab::new()?;
    let gw = lab.host("gw")?;
    let ovs = Ovs::start(&lab, "sw")?;
    ovs.trunk(&gw, "a0", "trunks=100")?;
    let ext = ovs.access("ext", 100, &EXT.mac().to_string(), &["10.0.0.101/24"])?;
    let ext2 = ovs.access("ext2", 100, &EXT2.mac().to_string(), &["10.0.0.102/24"])?;

    ext.wait_reaches("10.0.0.102")?;
    transfer::tcp(&ext, &ext2, EXT2.v4().into(), 1)?;

    let (trunk, access) = (Wire::open(&gw, "a0")?, Wire::open(&ext, "eth0")?);
    access.send(&Frame::text(EXT.mac(), VM.mac(), "tag me"))?;
    let seen = trunk.expect("the tagged frame", |frame| frame.has_text("tag me"))?;
    assert_eq!(seen.vlan, Some(100));
    trunk.send(&Frame::text(VM.mac(), EXT.mac(), "untag me").tagged(100))?;
    let seen = access.expect("the untagged frame", |frame| frame.has_text("untag me"))?;
    assert_eq!(seen.vlan, None);
    Ok(())
}

#[test]
fn without_a_gateway_nothing_crosses() -> Result<()> {
    let site = Site::build(Plan::default())?;
    assert!(!site.vm.reaches(&EXT.v4().to_string()));
    Ok(())
}

#[test]
fn a_flow_over_a_cable_loses_nothing_and_reports_it() -> Result<()> {
    let lab = Lab::new()?;
    let (a, b) = (lab.host("a")?, lab.host("b")?);
    connect(End::new(&a, "eth0"), End::new(&b, "eth0"))?;
    finish_frames(&a, "eth0")?;
    a.address("eth0", "10.0.0.1/24")?;
    b.address("eth0", "10.0.0.2/24")?;
    let target: IpAddr = [10, 0, 0, 2].into();

    let flow = Flow::start(&a, &b, target)?;
    flow.wait_more(300)?;
    let tally = flow.finish()?;
    assert!(tally.sent >= 300);
    assert!(tally.is_whole(), "{tally:?}");

    // And it notices a loss: the cable is unplugged for a while.
    let flow = Flow::start(&a, &b, target)?;
    flow.wait_more(100)?;
    b.ip("link set eth0 down")?;
    b.ip("link set eth0 up")?;
    flow.wait_more(100)?;
    assert!(!flow.finish()?.lost.is_empty());
    Ok(())
}

#[test]
fn a_lab_leaves_nothing_behind() -> Result<()> {
    let lab = Lab::new()?;
    let (id, directory, pins) = (lab.id().to_string(), lab.directory(), lab.pins("peers"));
    let (a, b) = (lab.host("a")?, lab.host("b")?);
    lab::cable::connect_gateway(End::new(&a, "eth0"), End::new(&b, "eth0"))?;
    let mut sleeper = a.start("ping -i 1 127.0.0.1")?;
    sleeper.wait_line(0, SOON, |line| line.contains("from 127.0.0.1"))?;
    sleeper.leave();
    assert!(directory.exists() && pins.exists());

    drop((lab, a, b));
    assert!(!sleeper.runs());
    assert!(!directory.exists() && !pins.exists());
    assert!(!Path::new("/run/netns").join(format!("{id}-a")).exists());
    assert!(sweep::remove("not a lab").is_err());
    Ok(())
}

/// A Linux bridge between a VXLAN device and the access port, in the gateway's place: slow, but it shows that VM and
/// outside host would talk, whatever the gateway does.
fn linux_joins_the_two(plan: Plan) -> Result<()> {
    let site = Site::build(plan)?;
    let hv = site.hv.vtep();
    site.gw.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")?;
    let zero_checksums = if hv.is_ipv6() { "udp6zerocsumtx udp6zerocsumrx" } else { "" };
    site.gw.ip(&format!(
        "link add vx0 mtu 1500 type vxlan id {VNI} local {} dstport 4789 {zero_checksums}",
        plan.underlay.ip(GW)
    ))?;
    site.gw.run(&format!("bridge fdb append 00:00:00:00:00:00 dev vx0 dst {hv}"))?;
    for dev in ["vx0", "a0"] {
        site.gw.ip(&format!("link set {dev} master br0 up"))?;
    }
    finish_frames(&site.gw, "a0")?;
    if plan.vlan != 0 {
        bpf::speak_vlan(&site.gw, "a0", plan.vlan)?;
    }
    site.gw.ip("link set br0 up")?;

    site.vm.wait_reaches(&EXT.v4().to_string())?;
    transfer::tcp(&site.vm, &site.ext, EXT.v4().into(), 1)?;
    transfer::tcp(&site.ext, &site.vm, VM.v4().into(), 1)?;
    if plan.ipv6 {
        site.vm.wait_reaches(&EXT.v6().to_string())?;
        transfer::tcp(&site.ext, &site.vm, VM.v6().into(), 1)?;
    }
    Ok(())
}

#[test]
fn a_linux_bridge_joins_a_host_that_tags_itself() -> Result<()> {
    linux_joins_the_two(Plan { ipv6: true, ..Plan::default() })
}

#[test]
fn a_linux_bridge_joins_a_host_behind_open_vswitch_tagged_and_native() -> Result<()> {
    linux_joins_the_two(Plan { ovs: true, ..Plan::default() })?;
    linux_joins_the_two(Plan { ovs: true, vlan: 0, ..Plan::default() })
}

#[test]
fn a_linux_bridge_joins_over_an_ipv6_underlay() -> Result<()> {
    linux_joins_the_two(Plan { ipv6: true, underlay: Underlay::V6, vlan: 0, ..Plan::default() })
}
