//! A hypervisor: Open vSwitch in userspace, driven by `ovn-controller`.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{
    Host,
    bridge::Bridge,
    cable::{End, connect, finish_frames},
    crossing::UNDERLAY_MTU,
    host::sysctl,
    ovs::Ovs,
    process::Process,
};

/// The bridge that has the tunnel address.
const PHYSICAL: &str = "br-phys";
/// The bridge that OVN programs, with the VMs on it.
const INTEGRATION: &str = "br-int";
/// A hypervisor's cable towards the underlay.
pub const UPLINK: &str = "u0";

/// A hypervisor. Its name is also the name of its chassis.
#[derive(Debug)]
pub struct Hypervisor {
    vtep: Ipv4Addr,
    controller: Option<Process>,
    ovs: Ovs,
}

impl Hypervisor {
    /// Starts Open vSwitch on a host, with `vtep` as its tunnel address.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(host: &Host, underlay: &Bridge, vtep: Ipv4Addr) -> Result<Self> {
        underlay.plug(host, UPLINK)?;
        // The kernel sees the received packets as well. It would answer for the bridge's address with that of the
        // cable, which does not terminate tunnels.
        host.enter(|| sysctl("ipv4/conf/all/arp_ignore", "1"))?;
        let ovs = Ovs::on(host, PHYSICAL)?;
        ovs.vsctl(&format!(
            "add-port {PHYSICAL} {UPLINK} -- add-br {INTEGRATION} \
             -- set Bridge {INTEGRATION} datapath_type=netdev fail_mode=secure other-config:disable-in-band=true"
        ))?;
        host.address(PHYSICAL, &format!("{vtep}/24"))?;
        host.ip(&format!("link set {PHYSICAL} mtu {UNDERLAY_MTU} up"))?;
        host.ip(&format!("link set {INTEGRATION} up"))?;
        Ok(Self { vtep, controller: None, ovs })
    }

    /// Starts `ovn-controller` with the southbound database `remote`. A gateway supports only VXLAN, so
    /// `encapsulations` has to contain it: `geneve,vxlan`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn join(&mut self, remote: &str, encapsulations: &str) -> Result<()> {
        let name = self.name();
        self.ovs.vsctl(&format!(
            "set Open_vSwitch . external_ids:system-id={name} external_ids:hostname={name} \
             external_ids:ovn-remote={remote} external_ids:ovn-encap-type={encapsulations} \
             external_ids:ovn-encap-ip={} external_ids:ovn-bridge-datapath-type=netdev",
            self.vtep
        ))?;
        let command = format!("ovn-controller {} -vconsole:warn", self.ovs.database().remote());
        self.controller = Some(self.ovs.node().start("ovn-controller", &command)?);
        Ok(())
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        self.ovs.host().name()
    }

    /// Returns its machine.
    pub fn host(&self) -> &Host {
        self.ovs.host()
    }

    /// Returns its tunnel address.
    pub fn vtep(&self) -> Ipv4Addr {
        self.vtep
    }

    /// Returns its switch.
    pub fn ovs(&self) -> &Ovs {
        &self.ovs
    }

    /// Connects `eth0` of a VM to this hypervisor.
    ///
    /// # Errors
    /// If there is one already.
    pub fn cable(&self, vm: &Host, mac: &str) -> Result<()> {
        connect(End::new(vm, "eth0").mac(mac), End::new(self.host(), vm.name()))?;
        finish_frames(vm, "eth0")
    }

    /// Adds the cable of a VM to the switch, as the logical port of the VM's name.
    ///
    /// # Errors
    /// If there is no such cable.
    pub fn plug(&self, vm: &Host) -> Result<()> {
        let port = vm.name();
        self.ovs
            .vsctl(&format!("add-port {INTEGRATION} {port} -- set Interface {port} external_ids:iface-id={port}"))
            .map(drop)
    }

    /// Removes the cable of a VM from the switch.
    ///
    /// # Errors
    /// If it is not plugged in.
    pub fn unplug(&self, vm: &Host) -> Result<()> {
        self.ovs.vsctl(&format!("del-port {INTEGRATION} {}", vm.name())).map(drop)
    }

    /// Leaves all of it running when this handle is dropped.
    pub fn leave(&mut self) {
        if let Some(controller) = &mut self.controller {
            controller.leave();
        }
        self.ovs.leave();
    }
}
