//! The outside without a switch: a host on the gateway's access port that adds the tag by itself.

use anyhow::Result;

use crate::{
    Host, bpf,
    cable::{End, connect_gateway},
};

/// Connects a new host `name` to the port `port` of `gateway`; its NIC `eth0` sends and receives frames of `vlan`, 0
/// for untagged.
///
/// # Errors
/// If a name is taken.
pub fn host(gateway: &Host, port: &str, vlan: u16, name: &str, mac: &str, addresses: &[&str]) -> Result<Host> {
    let lab = gateway.lab();
    let host = lab.host(name)?;
    if addresses.iter().any(|address| address.contains(':')) {
        host.speak_ipv6()?;
    }
    connect_gateway(End::new(gateway, port), End::new(&host, "eth0").mac(mac))?;
    if vlan != 0 {
        bpf::speak_vlan(&host, "eth0", vlan)?;
    }
    for address in addresses {
        host.address("eth0", address)?;
    }
    Ok(host)
}
