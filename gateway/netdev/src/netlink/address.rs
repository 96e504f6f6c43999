//! Addresses: `RTM_NEWADDR` and its kin.

use std::net::{IpAddr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::{
    Error, Handle,
    packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
};

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Index of the interface.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// True if packets can be sent from it: duplicate address detection has accepted it, and it is not of the host
    /// alone.
    pub usable: bool,
}

/// Returns the addresses of all interfaces, in the order in which the kernel lists them.
pub(crate) async fn addresses(handle: &Handle) -> Result<Vec<InterfaceAddress>, Error> {
    let all = handle.address().get().execute();
    all.try_filter_map(|message| std::future::ready(Ok(address(&message)))).try_collect().await
}

/// Returns the local address. On a point-to-point link IFA_ADDRESS is that of the other end, so IFA_LOCAL is preferred.
pub(super) fn local(message: &AddressMessage) -> Option<IpAddr> {
    let find = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// Returns the address that an interface has.
pub(super) fn address(message: &AddressMessage) -> Option<InterfaceAddress> {
    let flags = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let bits = flags.map_or(u32::from(message.header.flags.bits()), |flags| flags.bits());
    let address = local(message)?;
    // An address that duplicate address detection has not accepted can't be a source.
    let unusable = AddressFlags::Tentative.bits() | AddressFlags::Dadfailed.bits();
    let foreign = message.header.scope == AddressScope::Host || address == IpAddr::V6(Ipv6Addr::LOCALHOST);
    Some(InterfaceAddress { ifindex: message.header.index, address, usable: bits & unusable == 0 && !foreign })
}
