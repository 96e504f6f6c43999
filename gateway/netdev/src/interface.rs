//! Properties of an interface that a socket needs, requested from the kernel when they are needed.

use std::{io, net::IpAddr};

use crate::Family;
use gateway_common::net::MacAddr;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    net::if_::{if_indextoname, if_nametoindex},
    sys::socket::SockProtocol,
};

use crate::nic::netlink::{attribute, push_attribute, request};

/// Current state of an interface.
#[derive(Debug)]
pub struct Link {
    /// Its index.
    pub ifindex: u32,
    mac: Option<MacAddr>,
    /// The interface it is stacked on.
    lower: Option<u32>,
}

impl Link {
    /// Returns the interface of that name in the calling thread's network namespace.
    pub fn named(name: &str) -> io::Result<Self> {
        let ifindex = if_nametoindex(name)?;
        // struct ifinfomsg: family and padding, type, index, flags, mask.
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        let answers = request(SockProtocol::NetlinkRoute, libc::RTM_GETLINK, &body)?;
        let attributes = answers.first().and_then(|answer| answer.get(16..)).unwrap_or_default();
        let mac = attribute(attributes, libc::IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()).map(MacAddr);
        let elsewhere = attribute(attributes, libc::IFLA_LINK_NETNSID).is_some();
        let lower =
            attribute(attributes, libc::IFLA_LINK).and_then(|link| link.try_into().ok()).map(u32::from_ne_bytes);
        Ok(Self { ifindex, mac, lower: lower.filter(|lower| !elsewhere && *lower != 0 && *lower != ifindex) })
    }

    /// Returns the first address from which it can send. For an interface with a virtual router's MAC this is an
    /// address of the interface below, because an address derived from the virtual MAC would be the same on every
    /// router.
    pub fn source(&self, name: &str, family: Family, virtual_addresses: &[IpAddr]) -> io::Result<Option<IpAddr>> {
        let own = if self.mac.is_some_and(is_virtual) { None } else { first(name, family, virtual_addresses)? };
        match (own, self.lower) {
            (None, Some(lower)) => {
                let lower = if_indextoname(lower)?;
                first(&lower.to_string_lossy(), family, virtual_addresses)
            }
            (own, _) => Ok(own),
        }
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
    let family = match neighbour {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    // struct ndmsg: family and padding, index, state, flags, type.
    let mut body = vec![family as u8, 0, 0, 0];
    body.extend(ifindex.to_ne_bytes());
    body.extend([0; 4]);
    match neighbour {
        IpAddr::V4(address) => push_attribute(&mut body, libc::NDA_DST, &address.octets()),
        IpAddr::V6(address) => push_attribute(&mut body, libc::NDA_DST, &address.octets()),
    }
    match request(SockProtocol::NetlinkRoute, libc::RTM_GETNEIGH, &body) {
        Ok(answers) => {
            let state = answers.first().and_then(|answer| answer.get(8..10)?.try_into().ok()).map(u16::from_ne_bytes);
            state.is_some_and(|state| state == 0 || state & (libc::NUD_INCOMPLETE | libc::NUD_FAILED) != 0)
        }
        Err(error) => error.raw_os_error() == Some(Errno::ENOENT as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_an_interface_with_an_address_and_nothing_below() {
        let link = Link::named("lo").unwrap();
        assert_eq!(link.lower, None);
        let source = |virtual_addresses: &[IpAddr]| link.source("lo", Family::V4, virtual_addresses).unwrap();
        assert_eq!(source(&[]), Some([127, 0, 0, 1].into()));
        assert_ne!(source(&[[127, 0, 0, 1].into()]), Some([127, 0, 0, 1].into()));
    }

    #[test]
    fn neighbour_never_asked_for_is_unresolved() {
        assert!(is_unresolved(Link::named("lo").unwrap().ifindex, [192, 0, 2, 99].into()));
    }

    #[test]
    fn virtual_macs_are_recognized() {
        assert!(is_virtual(MacAddr([0, 0, 0x5e, 0, 1, 7])) && is_virtual(MacAddr([0, 0, 0x5e, 0, 2, 7])));
        assert!(!is_virtual(MacAddr([0, 0, 0x5e, 0, 0x53, 7])));
    }
}
