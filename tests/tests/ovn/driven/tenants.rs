//! Two tenants of the cloud who know nothing of each other and use the same addresses.

use anyhow::Result;
use gateway_common::net::MacAddr;
use lab::{
    config::Mode,
    crossing::{EXT, VM},
    frame::Frame,
    gateway::Gateway,
    ovn::{Cloud, cloud::PORT},
    transfer,
    wire::Wire,
};

/// A transfer goes to a listener that only the right host has: with the same addresses everywhere, one that strayed
/// into the other network would be refused.
#[test]
fn tenants_with_the_same_addresses_do_not_meet() -> Result<()> {
    let cloud = Cloud::build()?;
    cloud.register()?;
    let mut pairs = Vec::new();
    for (number, vlan) in [(1, 100), (2, 200)] {
        let network = format!("net{number}");
        cloud.network(&network)?;
        cloud.vtep.bind(PORT, vlan, &network)?;
        let vm = cloud.vm(&format!("vm{number}"), &network, 0, VM)?;
        let ext = cloud.host(&format!("ext{number}"), vlan, EXT)?;
        let vni = cloud.wait_written(&network, &vm, VM)?;
        pairs.push((vm.host, ext, vni));
    }
    let [(vm1, ext1, vni1), (vm2, ext2, vni2)] = pairs.as_slice() else { unreachable!("two tenants") };
    assert_ne!(vni1, vni2);

    let gateway = Gateway::start(&cloud.gw, &cloud.driven_config(Mode::Xdp))?;
    for (vm, ext, vni) in &pairs {
        vm.wait_reaches(&EXT.v4().to_string())?;
        transfer::tcp(vm, ext, EXT.v4().into(), 1)?;
        transfer::tcp(ext, vm, VM.v4().into(), 1)?;
        assert_eq!(gateway.read().static_vtep(*vni, VM.mac())?, Some(cloud.hypervisors[0].vtep().into()));
    }

    let (at_vm1, at_vm2) = (Wire::open(vm1, "eth0")?, Wire::open(vm2, "eth0")?);
    let shout = |host, text| Wire::open(host, "eth0")?.send(&Frame::text(EXT.mac(), MacAddr::BROADCAST, text));
    shout(ext1, "to the first")?;
    at_vm1.expect("the first broadcast", |frame| frame.has_text("to the first"))?;
    shout(ext2, "to the second")?;
    let seen = at_vm2.expect("a broadcast", |frame| frame.has_text("to the"))?;
    assert!(seen.has_text("to the second"), "the broadcast of the other tenant came first");
    assert!(!at_vm1.arrived()?.iter().any(|frame| frame.has_text("to the second")));
    Ok(())
}
