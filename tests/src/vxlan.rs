//! A host of virtual machines: the VXLAN device of the Linux kernel, bridged to the machines' cables.

use std::net::IpAddr;

use anyhow::Result;

use crate::{
    Host,
    bridge::{self, Bridge},
    cable::{End, connect, finish_frames},
};

/// A remote VTEP that is plain Linux.
#[derive(Clone, Debug)]
pub struct VmHost {
    host: Host,
    vtep: IpAddr,
}

impl VmHost {
    /// Makes a host called `name` on the underlay, with `address` (like `172.31.0.11/24`) as its tunnel address.
    ///
    /// # Errors
    /// If the name is taken, or the address is none.
    pub fn new(underlay: &Bridge, name: &str, address: &str) -> Result<Self> {
        let host = underlay.host().lab().host(name)?;
        if address.contains(':') {
            host.speak_ipv6()?;
        }
        underlay.plug(&host, "u0")?;
        host.address("u0", address)?;
        let vtep = address.split('/').next().unwrap_or(address).parse()?;
        Ok(Self { host, vtep })
    }

    /// Returns the machine itself.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns its tunnel address.
    pub fn vtep(&self) -> IpAddr {
        self.vtep
    }

    /// Joins the VXLAN network `vni`. Broadcasts and frames to unknown machines go to each of `flood`. The kernel
    /// learns the places of machines from received frames.
    ///
    /// # Errors
    /// If it is a member already.
    pub fn join(&self, vni: u32, flood: &[IpAddr]) -> Result<()> {
        let bridge = format!("br{vni}");
        let zero_checksums = if self.vtep.is_ipv6() { "udp6zerocsumtx udp6zerocsumrx" } else { "" };
        bridge::add(&self.host, &bridge)?;
        self.host.ip(&format!(
            "link add vx{vni} mtu 1500 type vxlan id {vni} local {} dstport 4789 ttl 64 {zero_checksums}",
            self.vtep
        ))?;
        self.host.ip(&format!("link set vx{vni} master {bridge} up"))?;
        for peer in flood {
            self.host.run(&format!("bridge fdb append 00:00:00:00:00:00 dev vx{vni} dst {peer}"))?;
        }
        Ok(())
    }

    /// Adds a machine to the network `vni`, with one NIC, `eth0`.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn vm(&self, name: &str, vni: u32, mac: &str, addresses: &[&str]) -> Result<Host> {
        let vm = self.host.lab().host(name)?;
        if addresses.iter().any(|address| address.contains(':')) {
            vm.speak_ipv6()?;
        }
        connect(End::new(&vm, "eth0").mac(mac), End::new(&self.host, name))?;
        finish_frames(&vm, "eth0")?;
        self.host.ip(&format!("link set {name} master br{vni}"))?;
        for address in addresses {
            vm.address("eth0", address)?;
        }
        Ok(vm)
    }
}
