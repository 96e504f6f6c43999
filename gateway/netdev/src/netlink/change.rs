//! Notifications, as changes.

use std::net::IpAddr;

use rtnetlink::{
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{AddressFamily, RouteNetlinkMessage},
};

use super::{
    address::{InterfaceAddress, address, local},
    link::{Link, link},
    neighbour::{Neighbour, NeighbourKey, neighbour},
};

/// A change that the kernel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface was added or has changed.
    Link(Link),
    /// The interface with this index was removed.
    LinkGone(u32),
    /// An address was added to an interface or has changed.
    Address(InterfaceAddress),
    /// An interface has lost an address.
    AddressGone {
        /// Index of the interface.
        ifindex: u32,
        /// The address.
        address: IpAddr,
    },
    /// A neighbour entry was added or has changed.
    Neighbour(NeighbourKey, Neighbour),
    /// A neighbour entry was removed.
    NeighbourGone(NeighbourKey),
    /// Routes or routing rules have changed, or an address that could not be decoded.
    Routing,
    /// Notifications were lost.
    Overrun,
}

/// Returns the change in a notification, if it is relevant.
pub(super) fn change(message: &NetlinkMessage<RouteNetlinkMessage>) -> Option<Change> {
    let inner = match &message.payload {
        NetlinkPayload::InnerMessage(inner) => inner,
        NetlinkPayload::Overrun(_) => return Some(Change::Overrun),
        _ => return None,
    };
    match inner {
        RouteNetlinkMessage::NewLink(message) => link(message).map(Change::Link),
        // A port that leaves its bridge is a DELLINK of family AF_BRIDGE; the interface itself stays.
        RouteNetlinkMessage::DelLink(message) if message.header.interface_family == AddressFamily::Unspec => {
            Some(Change::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::NewAddress(message) => Some(address(message).map_or(Change::Routing, Change::Address)),
        RouteNetlinkMessage::DelAddress(message) => {
            let gone = |address| Change::AddressGone { ifindex: message.header.index, address };
            Some(local(message).map_or(Change::Routing, gone))
        }
        RouteNetlinkMessage::NewNeighbour(message) => {
            neighbour(message).map(|(key, entry)| Change::Neighbour(key, entry))
        }
        RouteNetlinkMessage::DelNeighbour(message) => neighbour(message).map(|(key, _)| Change::NeighbourGone(key)),
        RouteNetlinkMessage::NewRoute(_)
        | RouteNetlinkMessage::DelRoute(_)
        | RouteNetlinkMessage::NewRule(_)
        | RouteNetlinkMessage::DelRule(_) => Some(Change::Routing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::LinkMessage;

    use super::*;

    #[test]
    fn port_leaving_a_bridge_does_not_vanish() {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.interface_family = AddressFamily::Bridge;
        assert_eq!(change(&NetlinkMessage::from(RouteNetlinkMessage::DelLink(message))), None);
    }
}
