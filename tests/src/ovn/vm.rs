//! Virtual machines of the cloud.

use std::net::IpAddr;

use anyhow::Result;

use super::Cloud;
use crate::{
    Host,
    crossing::Station,
    wait::{SOON, wait_for},
};

/// A virtual machine.
#[derive(Debug)]
pub struct Vm {
    /// Its machine.
    pub host: Host,
    hypervisor: usize,
}

impl Cloud {
    /// Adds a VM called `name` to a network, on the hypervisor of this index, and waits until OVN has bound it.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn vm(&self, name: &str, network: &str, hypervisor: usize, station: Station) -> Result<Vm> {
        let (mac, address) = (station.mac().to_string(), station.v4());
        let known = format!("{mac} {address}");
        let port = ["lsp-add", network, name, "--", "lsp-set-addresses", name, &known];
        self.central.nbctl_words(&port)?;
        let host = self.lab.host(name)?;
        self.hypervisors[hypervisor].cable(&host, &mac)?;
        self.hypervisors[hypervisor].plug(&host)?;
        host.address("eth0", &format!("{address}/24"))?;
        let vm = Vm { host, hypervisor };
        self.wait_bound(&vm)?;
        Ok(vm)
    }

    /// Moves a VM to another hypervisor, as a live migration looks to the network, and waits until OVN has bound it
    /// there.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn migrate(&self, vm: &mut Vm, to: usize) -> Result<()> {
        let (from, to, name) = (&self.hypervisors[vm.hypervisor], to, vm.host.name());
        let target = &self.hypervisors[to];
        from.unplug(&vm.host)?;
        from.host().ip(&format!("link set {name} netns {}", target.host().namespace()))?;
        target.host().ip(&format!("link set {name} up"))?;
        target.plug(&vm.host)?;
        vm.hypervisor = to;
        self.wait_bound(vm)
    }

    /// Removes a VM.
    ///
    /// # Errors
    /// If it is gone.
    pub fn remove(&self, vm: Vm) -> Result<()> {
        self.hypervisors[vm.hypervisor].unplug(&vm.host)?;
        self.central.nbctl(&format!("lsp-del {}", vm.host.name()))?;
        vm.host.ip("link del eth0").map(drop)
    }

    fn wait_bound(&self, vm: &Vm) -> Result<()> {
        let (name, chassis) = (vm.host.name(), self.hypervisors[vm.hypervisor].name());
        wait_for(&format!("{name} is bound to {chassis}"), SOON, || {
            self.central.chassis_of(name).is_ok_and(|bound| bound.as_deref() == Some(chassis))
        })?;
        self.central.nbctl(&format!("wait-until Logical_Switch_Port {name} up=true")).map(drop)
    }

    /// Returns the tunnel address of the hypervisor that has a VM.
    pub fn vtep_of(&self, vm: &Vm) -> IpAddr {
        self.hypervisors[vm.hypervisor].vtep().into()
    }
}

impl Vm {
    /// Returns the index of its hypervisor.
    pub fn hypervisor(&self) -> usize {
        self.hypervisor
    }
}
