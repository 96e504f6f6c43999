//! A cloud with something in it.

use anyhow::Result;
use gateway_common::net::MacAddr;
use lab::{
    Host,
    crossing::{EXT, VM, VM2},
    frame::Frame,
    ovn::{Cloud, Vm, cloud::PORT},
    transfer,
    wire::Wire,
};

/// The network.
pub(crate) const NET: &str = "net1";

/// A cloud with a VM on each hypervisor and a host outside; the VLAN is bound and the database filled.
pub(crate) struct Filled {
    pub(crate) cloud: Cloud,
    /// [`VM`] and [`VM2`], on `hv1` and `hv2`.
    pub(crate) vms: [Vm; 2],
    /// [`EXT`].
    pub(crate) ext: Host,
    /// The VNI that OVN has chosen.
    pub(crate) vni: u32,
}

impl Filled {
    pub(crate) fn build() -> Result<Self> {
        let cloud = Cloud::build()?;
        cloud.network(NET)?;
        cloud.register()?;
        cloud.vtep.bind(PORT, 100, NET)?;
        let vms = [cloud.vm("vm1", NET, 0, VM)?, cloud.vm("vm2", NET, 1, VM2)?];
        let ext = cloud.host("ext", 100, EXT)?;
        cloud.wait_written(NET, &vms[0], VM)?;
        let vni = cloud.wait_written(NET, &vms[1], VM2)?;
        Ok(Self { cloud, vms, ext, vni })
    }

    /// ARP, ping, UDP and TCP between the outside and each VM, both ways.
    pub(crate) fn talk(&self) -> Result<()> {
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

    /// A broadcast from outside comes to the VMs of both hypervisors.
    pub(crate) fn shout(&self) -> Result<()> {
        let taps = [Wire::open(&self.vms[0].host, "eth0")?, Wire::open(&self.vms[1].host, "eth0")?];
        Wire::open(&self.ext, "eth0")?.send(&Frame::text(EXT.mac(), MacAddr::BROADCAST, "to all VMs"))?;
        for tap in &taps {
            tap.expect("the broadcast", |frame| frame.has_text("to all VMs"))?;
        }
        Ok(())
    }
}
