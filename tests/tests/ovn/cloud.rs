//! The cloud itself: what the other tests stand on, shown without a gateway.

use anyhow::Result;
use lab::{
    crossing::{EXT, EXT2, VM, VM2},
    ovn::{Cloud, cloud::PORT},
    transfer,
};

#[test]
fn vms_talk_and_a_binding_fills_the_database() -> Result<()> {
    let cloud = Cloud::build()?;
    cloud.network("net1")?;
    let mut vm = cloud.vm("vm1", "net1", 0, VM)?;
    let vm2 = cloud.vm("vm2", "net1", 1, VM2)?;
    vm.host.wait_reaches(&VM2.v4().to_string())?;
    transfer::tcp(&vm.host, &vm2.host, VM2.v4().into(), 1)?;

    // Nothing is written before a VLAN is bound.
    cloud.register()?;
    assert_eq!(cloud.vtep.vni("net1")?, None);
    cloud.vtep.bind(PORT, 100, "net1")?;
    let vni = cloud.wait_written("net1", &vm, VM)?;
    assert_eq!(cloud.wait_written("net1", &vm2, VM2)?, vni);
    let macs = cloud.vtep.remote_macs("net1")?;
    assert_eq!(macs.unicast.len(), 2, "{macs:?}");
    assert_eq!(macs.unknown.len(), 2, "{macs:?}");
    assert_eq!(cloud.central.chassis_of("vtep-net1")?.as_deref(), Some("gw1"));

    cloud.migrate(&mut vm, 1)?;
    cloud.wait_written("net1", &vm, VM)?;
    vm.host.wait_reaches(&VM2.v4().to_string())?;
    cloud.remove(vm2)?;
    lab::wait::wait_for("vm2 is gone from the database", lab::wait::SOON, || {
        cloud.vtep.remote_macs("net1").is_ok_and(|macs| macs.unicast.len() == 1)
    })?;

    let ext = cloud.host("ext", 100, EXT)?;
    let ext2 = cloud.host("ext2", 100, EXT2)?;
    ext.wait_reaches(&EXT2.v4().to_string())?;
    assert!(!ext2.reaches(&VM.v4().to_string()), "VMs are reachable although there is no gateway");
    Ok(())
}
