//! Several VLANs on one port.

use anyhow::Result;
use gateway_common::net::MacAddr;
use lab::{
    Host, Lab,
    bridge::Bridge,
    config::{Config, Mode, Switch},
    crossing::{EXT, GW, HV, UNDERLAY_MTU, Underlay, VM, gateway_host},
    frame::Frame,
    gateway::Gateway,
    ovs::Ovs,
    transfer,
    vxlan::VmHost,
    wire::Wire,
};

/// A gateway behind one trunk of Open vSwitch, and for each network a VM and an outside host.
struct Trunk {
    _gateway: Gateway,
    pairs: Vec<(Host, Host)>,
    _ovs: Ovs,
    _lab: Lab,
}

/// One network to be joined: its VNI, the VLAN on the switch outside, and the VLAN of the binding.
struct Network {
    vni: u32,
    access: u16,
    binding: u16,
}

const TAGGED: Network = Network { vni: 5001, access: 100, binding: 100 };
const TAGGED2: Network = Network { vni: 5002, access: 200, binding: 200 };
const NATIVE: Network = Network { vni: 5003, access: 300, binding: 0 };

/// All machines outside and all VMs have the same two addresses, MAC and IP, in each network.
fn build(mode: Mode, networks: &[Network]) -> Result<Trunk> {
    let lab = Lab::new()?;
    let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
    let hv = VmHost::new(&und, "hv", &Underlay::V4.address(HV))?;
    let gw = gateway_host(&und, "gw", &Underlay::V4.address(GW))?;
    let ovs = Ovs::start(&lab, "sw")?;
    ovs.trunk(&gw, "a0", "vlan_mode=native-untagged tag=300 trunks=100,200,300")?;

    let mut config = Config::new(&gw, &[Underlay::V4.ip(GW)]).uplink("u0", mode).port("a0", mode);
    let mut pairs = Vec::new();
    for Network { vni, access, binding } in networks {
        hv.join(*vni, &[Underlay::V4.ip(GW)])?;
        let [vm_ip, ext_ip] = [VM, EXT].map(|station| format!("{}/24", station.v4()));
        let vm = hv.vm(&format!("vm{vni}"), *vni, &VM.mac().to_string(), &[&vm_ip])?;
        let ext = ovs.access(&format!("ext{access}"), *access, &EXT.mac().to_string(), &[&ext_ip])?;
        pairs.push((vm, ext));
        config = config.switch(Switch::new(*vni, &[hv.vtep()]).bound("a0", *binding).remote(VM.mac(), hv.vtep()));
    }
    Ok(Trunk { _gateway: Gateway::start(&gw, &config)?, pairs, _ovs: ovs, _lab: lab })
}

/// The transfer goes to a listener that only the right host has: with the same addresses everywhere, one that strayed
/// into another network would be refused.
fn each_pair_talks(trunk: &Trunk) -> Result<()> {
    for (vm, ext) in &trunk.pairs {
        vm.wait_reaches(&EXT.v4().to_string())?;
        transfer::tcp(vm, ext, EXT.v4().into(), 1)?;
        transfer::tcp(ext, vm, VM.v4().into(), 1)?;
    }
    Ok(())
}

#[test]
fn tagged_and_untagged_bindings_share_a_port_in_xdp_mode() -> Result<()> {
    each_pair_talks(&build(Mode::Xdp, &[TAGGED, TAGGED2, NATIVE])?)
}

#[test]
fn tagged_and_untagged_bindings_share_a_port_in_tc_mode() -> Result<()> {
    each_pair_talks(&build(Mode::Tc, &[TAGGED, TAGGED2, NATIVE])?)
}

#[test]
fn a_broadcast_stays_in_its_network() -> Result<()> {
    let trunk = build(Mode::Xdp, &[TAGGED, TAGGED2])?;
    let [(vm, ext), (vm2, ext2)] = trunk.pairs.as_slice() else { unreachable!("two networks") };
    let (at_vm, at_vm2) = (Wire::open(vm, "eth0")?, Wire::open(vm2, "eth0")?);

    let shout = |host: &Host, text| Wire::open(host, "eth0")?.send(&Frame::text(EXT.mac(), MacAddr::BROADCAST, text));
    shout(ext, "to the first")?;
    at_vm.expect("the first broadcast", |frame| frame.has_text("to the first"))?;
    shout(ext2, "to the second")?;
    let seen = at_vm2.expect("a broadcast", |frame| frame.has_text("to the"))?;
    assert!(seen.has_text("to the second"), "the broadcast of another network came first");
    assert!(!at_vm.arrived()?.iter().any(|frame| frame.has_text("to the second")));
    Ok(())
}
