//! Properties of an interface that a socket needs, requested from the kernel when they are needed.

use std::{io, net::IpAddr};

use gateway_common::net::MacAddr;
use nix::{errno::Errno, ifaddrs::getifaddrs, net::if_::if_indextoname};

use crate::{
    Family,
    netlink::{Link, NeighbourState, neighbour_of},
};

/// Returns the first address from which the interface `link`, of this name, can send. For an interface with a virtual
/// router's MAC this is an address of the interface below, because an address derived from the virtual MAC would be the
/// same on every router.
///
/// # Errors
/// The kernel does not list the addresses.
pub fn source(link: &Link, name: &str, family: Family, virtual_addresses: &[IpAddr]) -> io::Result<Option<IpAddr>> {
    let own = if link.mac.is_some_and(is_virtual) { None } else { first(name, family, virtual_addresses)? };
    match (own, link.lower) {
        (None, Some(lower)) => {
            let lower = if_indextoname(lower)?;
            first(&lower.to_string_lossy(), family, virtual_addresses)
        }
        (own, _) => Ok(own),
    }
}

/// Returns true for 00-00-5E-00-01-VRID (IPv4) and 00-00-5E-00-02-VRID (IPv6), RFC 9568 section 7.3.
fn is_virtual(mac: MacAddr) -> bool {
    matches!(mac.0, [0, 0, 0x5e, 0, 1 | 2, _])
}

fn first(name: &str, family: Family, virtual_addresses: &[IpAddr]) -> io::Result<Option<IpAddr>> {
    let addresses = getifaddrs()?.filter(|entry| entry.interface_name == name).filter_map(|entry| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    Ok(addresses.filter(|address| family.can_send_from(*address)).find(|address| !virtual_addresses.contains(address)))
}

/// Returns true if a packet to a neighbour waits for its MAC address, so that the neighbour can't be reached now.
pub fn is_unresolved(ifindex: u32, neighbour: IpAddr) -> bool {
    match neighbour_of((ifindex, neighbour)) {
        Ok(entry) => entry.is_some_and(|entry| matches!(entry.state, NeighbourState::Pending | NeighbourState::Failed)),
        Err(error) => error.raw_os_error() == Some(Errno::ENOENT as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_an_interface_with_an_address_and_nothing_below() {
        let link = Link::named("lo").unwrap().unwrap();
        assert_eq!(link.lower, None);
        let source = |virtual_addresses: &[IpAddr]| source(&link, "lo", Family::V4, virtual_addresses).unwrap();
        assert_eq!(source(&[]), Some([127, 0, 0, 1].into()));
        assert_ne!(source(&[[127, 0, 0, 1].into()]), Some([127, 0, 0, 1].into()));
    }

    #[test]
    fn neighbour_never_asked_for_is_unresolved() {
        assert!(is_unresolved(Link::named("lo").unwrap().unwrap().ifindex, [192, 0, 2, 99].into()));
    }

    #[test]
    fn virtual_macs_are_recognized() {
        assert!(is_virtual(MacAddr([0, 0, 0x5e, 0, 1, 7])) && is_virtual(MacAddr([0, 0, 0x5e, 0, 2, 7])));
        assert!(!is_virtual(MacAddr([0, 0, 0x5e, 0, 0x53, 7])));
    }
}
