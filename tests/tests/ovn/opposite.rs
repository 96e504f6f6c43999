//! Opposite real OVN hypervisors, with a configuration copied from the database that `ovn-controller-vtep` filled.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use gateway_common::{
    headers::{ETH_P_IP, IPPROTO_UDP},
    net::MacAddr,
};
use lab::{
    Host,
    config::Mode,
    crossing::{EXT, Underlay, VM, VM2},
    dhcp,
    frame::Frame,
    gateway::Gateway,
    ovn::{Cloud, Vm, cloud::PORT, hypervisor::UPLINK},
    transfer,
    wire::Wire,
};

/// UDP port of VXLAN (RFC 7348 section 5).
const VXLAN: [u8; 2] = 4789u16.to_be_bytes();

/// A cloud with a VM on each hypervisor and a host outside; the VLAN is bound and the database filled.
struct Filled {
    cloud: Cloud,
    vms: [Vm; 2],
    ext: Host,
}

impl Filled {
    fn build() -> Result<Self> {
        let cloud = Cloud::build()?;
        cloud.network("net1")?;
        cloud.register()?;
        cloud.vtep.bind(PORT, 100, "net1")?;
        let vms = [cloud.vm("vm1", "net1", 0, VM)?, cloud.vm("vm2", "net1", 1, VM2)?];
        let ext = cloud.host("ext", 100, EXT)?;
        for (vm, station) in vms.iter().zip([VM, VM2]) {
            cloud.wait_written("net1", vm, station)?;
        }
        Ok(Self { cloud, vms, ext })
    }

    /// ARP, ping, UDP and TCP between the outside and each VM, both ways.
    fn talk(&self) -> Result<()> {
        let ext = &self.ext;
        ext.forget_neighbours()?;
        for (Vm { host: vm, .. }, station) in self.vms.iter().zip([VM, VM2]) {
            vm.forget_neighbours()?;
            vm.wait_reaches(&EXT.v4().to_string())?;
            assert_eq!(vm.neighbour(EXT.v4().into()), Some(EXT.mac()));
            ext.wait_reaches(&station.v4().to_string())?;
            assert_eq!(ext.neighbour(station.v4().into()), Some(station.mac()));

            ext.run(&format!("ping -n -q -c 3 -i 0.05 -W 5 -M do -s 1472 {}", station.v4()))?;
            transfer::udp(vm, ext, EXT.v4().into(), 1472)?;
            transfer::tcp(vm, ext, EXT.v4().into(), 1)?;
            transfer::tcp(ext, vm, station.v4().into(), 1)?;
        }
        Ok(())
    }
}

/// The outer source of a VXLAN packet over IPv4.
fn outer_source(frame: &Frame) -> Option<IpAddr> {
    let is_vxlan = frame.ethertype == ETH_P_IP
        && frame.payload.get(9) == Some(&IPPROTO_UDP)
        && frame.payload.get(22..24) == Some(&VXLAN);
    let source: [u8; 4] = frame.payload.get(12..16)?.try_into().ok()?;
    is_vxlan.then(|| Ipv4Addr::from(source).into())
}

#[test]
fn vms_and_the_outside_talk_in_either_mode_and_dhcp_crosses() -> Result<()> {
    let lab = Filled::build()?;
    let mut config = lab.cloud.static_config(Mode::Xdp)?;
    let underlay = Wire::open(lab.cloud.hypervisors[0].host(), UPLINK)?;
    let mut gateway = Gateway::start(&lab.cloud.gw, &config)?;

    lab.talk()?;
    let paths = gateway.read().paths()?;
    assert!(paths.xdp_encap > 1000 && paths.xdp_decap > 1000, "{paths:?}");
    let outer = underlay.expect("VXLAN from the gateway", |frame| outer_source(frame).is_some())?;
    assert_eq!(outer_source(&outer).context("no source")?, lab.cloud.tunnel());

    // A broadcast from outside comes to the VMs of both hypervisors.
    let taps = [Wire::open(&lab.vms[0].host, "eth0")?, Wire::open(&lab.vms[1].host, "eth0")?];
    Wire::open(&lab.ext, "eth0")?.send(&Frame::text(EXT.mac(), MacAddr::BROADCAST, "to all VMs"))?;
    for tap in &taps {
        tap.expect("the broadcast", |frame| frame.says("to all VMs"))?;
    }

    gateway.stop()?;
    for nic in config.uplinks.iter_mut().chain(&mut config.ports) {
        nic.mode = Mode::Tc;
    }
    std::fs::write(gateway.file(), config.to_string())?;
    gateway.resume()?;
    let before = gateway.read().paths()?;
    lab.talk()?;
    let after = gateway.read().paths()?;
    assert!(after.tc_encap - before.tc_encap > 1000 && after.tc_decap - before.tc_decap > 1000, "{after:?}");
    assert_eq!((after.xdp_encap, after.xdp_decap), (before.xdp_encap, before.xdp_decap));

    dhcp::lease(&lab.ext, &lab.vms[0].host, "10.0.0.50")?;
    lab.vms[0].host.wait_reaches(&EXT.v4().to_string())
}

/// A hypervisor takes VXLAN only from the address that the database names, which is why the gateway has to send from it
/// and from no other.
#[test]
fn hypervisors_drop_what_comes_from_another_address_of_the_gateway() -> Result<()> {
    let lab = Filled::build()?;
    let other = Underlay::V4.ip(22);
    lab.cloud.gw.address("u0", &Underlay::V4.address(22))?;

    let mut config = lab.cloud.static_config(Mode::Xdp)?;
    let right = std::mem::replace(&mut config.vtep, vec![other]);
    let underlay = Wire::open(lab.cloud.hypervisors[0].host(), UPLINK)?;
    let mut gateway = Gateway::start(&lab.cloud.gw, &config)?;
    let vm = VM.v4().to_string();
    assert!(!lab.ext.reaches(&vm));
    let outer = underlay.expect("VXLAN from the gateway", |frame| outer_source(frame).is_some())?;
    assert_eq!(outer_source(&outer), Some(other));

    gateway.stop()?;
    config.vtep = right;
    std::fs::write(gateway.file(), config.to_string())?;
    gateway.resume()?;
    lab.ext.wait_reaches(&vm)
}
