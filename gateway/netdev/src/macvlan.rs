//! Macvlan that carries a virtual router's MAC address (RFC 9568 section 7.3).
//!
//! It exists only while this node has the addresses. Any packet that another node sends from the virtual MAC address
//! would make switches redirect the active node's packets to that node.

use std::{io, net::IpAddr};

use gateway_common::net::MacAddr;
use gateway_vrrp::Vrid;
use rtnetlink::{
    LinkMacVlan, LinkUnspec,
    packet_route::link::{LinkAttribute, LinkMessage, MacVlanMode},
};

use crate::{
    netlink::{Handle, io_error, link_named},
    sysctl,
};

/// Returns the virtual router MAC address (RFC 9568 section 7.3).
pub const fn virtual_mac(vrid: Vrid, ipv6: bool) -> MacAddr {
    MacAddr([0, 0, 0x5e, 0, if ipv6 { 2 } else { 1 }, vrid.get()])
}

/// Returns the name of the interface: `vrrp4.51`, `vrrp6.51`.
pub fn name(vrid: Vrid, ipv6: bool) -> String {
    format!("vrrp{}.{vrid}", if ipv6 { 6 } else { 4 })
}

/// Creates the interface, sets it up, and returns its index. An interface that a crash has left is reused if it is on
/// the right parent, and created again otherwise. `note` is stored with it.
pub async fn create(handle: &Handle, lower: u32, vrid: Vrid, ipv6: bool, note: &str) -> io::Result<u32> {
    let name = name(vrid, ipv6);
    let mac = virtual_mac(vrid, ipv6);
    let ifindex = match link_named(handle, &name).await? {
        Some(found) if is_on(&found, lower, mac) => found.header.index,
        Some(found) => {
            delete(handle, found.header.index).await?;
            add(handle, lower, &name, mac).await?
        }
        None => add(handle, lower, &name, mac).await?,
    };
    // It gets its settings before it is up, so that it never sends by itself.
    let of = name.clone();
    tokio::task::spawn_blocking(move || sysctl::prepare(&of)).await.map_err(io::Error::other)??;
    let up = LinkUnspec::new_with_index(ifindex).alias(note.trim()).up().build();
    handle.link().set(up).execute().await.map_err(io_error)?;
    Ok(ifindex)
}

/// Returns the note that is stored with an existing interface.
pub async fn note(handle: &Handle, vrid: Vrid, ipv6: bool) -> io::Result<Option<String>> {
    let found = link_named(handle, &name(vrid, ipv6)).await?;
    Ok(found.into_iter().flat_map(|found| found.attributes).find_map(|attribute| match attribute {
        LinkAttribute::IfAlias(note) => Some(note),
        _ => None,
    }))
}

/// Removes the interface. It is no error if there is none.
pub async fn remove(handle: &Handle, vrid: Vrid, ipv6: bool) -> io::Result<()> {
    match link_named(handle, &name(vrid, ipv6)).await? {
        Some(found) => delete(handle, found.header.index).await,
        None => Ok(()),
    }
}

/// Returns the index of the interface of that name.
pub async fn index(handle: &Handle, name: &str) -> io::Result<Option<u32>> {
    Ok(link_named(handle, name).await?.map(|found| found.header.index))
}

async fn add(handle: &Handle, lower: u32, name: &str, mac: MacAddr) -> io::Result<u32> {
    let message = LinkMacVlan::new(name, lower, MacVlanMode::Private).address(mac.0.to_vec()).build();
    handle.link().add(message).execute().await.map_err(io_error)?;
    index(handle, name).await?.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}

async fn delete(handle: &Handle, ifindex: u32) -> io::Result<()> {
    match handle.link().del(ifindex).execute().await.map_err(io_error) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

fn is_on(found: &LinkMessage, lower: u32, mac: MacAddr) -> bool {
    let has = |attribute| found.attributes.contains(&attribute);
    has(LinkAttribute::Link(lower)) && has(LinkAttribute::Address(mac.0.to_vec()))
}

/// Returns true if the address family of a virtual router is IPv6.
pub fn is_ipv6(addresses: &[IpAddr]) -> bool {
    addresses.iter().all(IpAddr::is_ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_mac_address_is_that_of_the_rfc() {
        let vrid = Vrid::new(51).unwrap();
        assert_eq!(virtual_mac(vrid, false), MacAddr([0, 0, 0x5e, 0, 1, 51]));
        assert_eq!(virtual_mac(vrid, true), MacAddr([0, 0, 0x5e, 0, 2, 51]));
        assert_eq!(name(vrid, false), "vrrp4.51");
    }

    #[test]
    fn router_with_addresses_of_both_families_speaks_ipv4() {
        assert!(!is_ipv6(&["2001:db8::1".parse().unwrap(), "10.0.0.1".parse().unwrap()]));
        assert!(is_ipv6(&["2001:db8::1".parse().unwrap()]));
    }
}
