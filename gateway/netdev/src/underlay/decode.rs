//! Decodes rtnetlink messages into facts.

use std::{io, net::IpAddr};

use gateway_common::net::{MacAddr, VlanId};
use rtnetlink::{
    Error,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, VlanProtocol},
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
    },
};

use super::facts::{Answer, Change, Forbidden, Link, Neighbour, NeighbourKey, NeighbourState, Route, Vlan};
use crate::nic::MasterKind;

/// Returns the change in a multicast message, if it is relevant.
pub(crate) fn change(message: &NetlinkMessage<RouteNetlinkMessage>) -> Option<Change> {
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
        RouteNetlinkMessage::NewNeighbour(message) => {
            neighbour(message).map(|(key, entry)| Change::Neighbour(key, entry))
        }
        RouteNetlinkMessage::DelNeighbour(message) => neighbour(message).map(|(key, _)| Change::NeighbourGone(key)),
        RouteNetlinkMessage::NewRoute(_)
        | RouteNetlinkMessage::DelRoute(_)
        | RouteNetlinkMessage::NewAddress(_)
        | RouteNetlinkMessage::DelAddress(_)
        | RouteNetlinkMessage::NewRule(_)
        | RouteNetlinkMessage::DelRule(_) => Some(Change::Routing),
        _ => None,
    }
}

/// Returns the interface in a message, or `None` for messages of a bridge about its port.
pub(crate) fn link(message: &LinkMessage) -> Option<Link> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let flags = message.header.flags;
    let mut link = Link {
        ifindex: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        admin_up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        vlan: None,
        master: None,
        macvlan_of: None,
    };
    let (mut parent, mut tag, mut macvlan) = (None, None, false);
    let (mut master, mut kind) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.mac = mac(bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => parent = Some(*index),
            LinkAttribute::Controller(index) => master = Some(*index),
            LinkAttribute::LinkInfo(infos) => {
                (tag, kind) = (vlan_tag(infos), master_kind(infos));
                macvlan = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::MacVlan)));
            }
            _ => {}
        }
    }
    link.vlan = parent.zip(tag).map(|(parent, id)| Vlan { parent, id });
    link.master = master.filter(|index| *index != 0).zip(kind);
    link.macvlan_of = parent.filter(|_| macvlan);
    Some(link)
}

/// Returns the kind of the interface's master, as the master reports it.
fn master_kind(infos: &[LinkInfo]) -> Option<MasterKind> {
    infos.iter().find_map(|info| match info {
        LinkInfo::PortKind(kind) => MasterKind::named(&kind.to_string()),
        _ => None,
    })
}

/// Returns the tag of an 802.1Q subinterface. Service tags (802.1ad) are not used for tunnels: such a link counts as
/// foreign.
fn vlan_tag(infos: &[LinkInfo]) -> Option<VlanId> {
    if !infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Vlan))) {
        return None;
    }
    let data = infos.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vlan(data)) => Some(data),
        _ => None,
    })?;
    if data.iter().any(|item| matches!(item, InfoVlan::Protocol(VlanProtocol::Ieee8021Ad))) {
        return None;
    }
    data.iter().find_map(|item| match item {
        InfoVlan::Id(id) => VlanId::new(*id),
        _ => None,
    })
}

/// Returns the entry in a message, or `None` for those of a bridge's forwarding database, and for proxies.
pub(crate) fn neighbour(message: &NeighbourMessage) -> Option<(NeighbourKey, Neighbour)> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let mut entry = Neighbour {
        state: neighbour_state(message.header.state.into()),
        mac: None,
        managed: false,
        ext_learned: message.header.flags.contains(NeighbourFlags::ExtLearned),
    };
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
            NeighbourAttribute::LinkLayerAddress(bytes) => entry.mac = mac(bytes),
            NeighbourAttribute::ExtFlags(flags) => entry.managed = flags.contains(NeighbourExtFlags::Managed),
            _ => {}
        }
    }
    Some(((message.header.ifindex, address?), entry))
}

/// Converts `NUD_*` bits (linux/neighbour.h).
fn neighbour_state(bits: u16) -> NeighbourState {
    const FIXED: u16 = libc::NUD_PERMANENT | libc::NUD_NOARP;
    const VALID: u16 = libc::NUD_REACHABLE | libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE;
    if bits & FIXED != 0 {
        NeighbourState::Fixed
    } else if bits & VALID != 0 {
        NeighbourState::Valid
    } else if bits & libc::NUD_FAILED != 0 {
        NeighbourState::Failed
    } else {
        NeighbourState::Pending
    }
}

/// Returns the kernel's answer to a route lookup.
pub(crate) fn answer(message: &RouteMessage) -> Answer {
    match message.header.kind {
        RouteType::Unicast => {}
        RouteType::Local => return Answer::Local,
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => return Answer::NotUnicast,
        RouteType::BlackHole => return Answer::Forbidden(Forbidden::Blackhole),
        RouteType::Unreachable => return Answer::Forbidden(Forbidden::Unreachable),
        RouteType::Prohibit => return Answer::Forbidden(Forbidden::Prohibit),
        _ => return Answer::NoRoute,
    }
    let mut oif = None;
    let (mut gateway, mut source, mut mtu) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => oif = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(v4)) => gateway = Some(IpAddr::V4(*v4)),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => gateway = Some(IpAddr::V6(*v6)),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(value) if *value > 0 => Some(*value),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    match oif {
        Some(oif) => Answer::Via(Route { oif, gateway, source, mtu }),
        None => Answer::NoRoute,
    }
}

/// Returns the meaning of a refused route lookup. For IPv4 the kinds of route that refuse differ only by the error
/// (`fib_props` in net/ipv4/fib_semantics.c).
pub(crate) fn refusal(error: &Error) -> Answer {
    match errno(error) {
        libc::ENETUNREACH | libc::ESRCH => Answer::NoRoute,
        libc::EINVAL => Answer::Forbidden(Forbidden::Blackhole),
        libc::EHOSTUNREACH => Answer::Forbidden(Forbidden::Unreachable),
        libc::EACCES => Answer::Forbidden(Forbidden::Prohibit),
        other => Answer::Failed(other),
    }
}

/// Returns the error number of a failed request.
pub(crate) fn errno(error: &Error) -> i32 {
    match error {
        Error::NetlinkError(message) => message.raw_code().abs(),
        Error::RequestFailed => libc::ENOTCONN,
        _ => libc::EPROTO,
    }
}

/// Returns the error as an [`io::Error`], for messages.
pub(crate) fn io_error(error: &Error) -> io::Error {
    io::Error::from_raw_os_error(errno(error))
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

fn mac(bytes: &[u8]) -> Option<MacAddr> {
    bytes.try_into().ok().map(MacAddr)
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::{InfoPortKind, LinkHeader};

    use super::*;

    fn link_message(family: AddressFamily, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header = LinkHeader { interface_family: family, index: 7, ..LinkHeader::default() };
        message.attributes = attributes;
        message
    }

    fn vlan(protocol: VlanProtocol) -> LinkMessage {
        let data = InfoData::Vlan(vec![InfoVlan::Protocol(protocol), InfoVlan::Id(10)]);
        link_message(
            AddressFamily::Unspec,
            vec![
                LinkAttribute::Link(2),
                LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]),
            ],
        )
    }

    #[test]
    fn vlan_subinterface_carries_parent_and_tag() {
        let link = link(&vlan(VlanProtocol::Ieee8021Q)).unwrap();
        assert_eq!(link.vlan, Some(Vlan { parent: 2, id: VlanId::new(10).unwrap() }));
    }

    #[test]
    fn service_tag_is_no_vlan_of_ours() {
        assert_eq!(link(&vlan(VlanProtocol::Ieee8021Ad)).unwrap().vlan, None);
    }

    #[test]
    fn veth_peer_is_no_vlan_parent() {
        let infos = vec![LinkInfo::Kind(InfoKind::Veth)];
        let message = link_message(AddressFamily::Unspec, vec![LinkAttribute::Link(2), LinkAttribute::LinkInfo(infos)]);
        assert_eq!(link(&message).unwrap().vlan, None);
    }

    #[test]
    fn a_member_carries_the_index_of_its_master_and_a_vrf_is_none() {
        let member = |kind| {
            let infos = vec![LinkInfo::PortKind(kind)];
            let attributes = vec![LinkAttribute::Controller(9), LinkAttribute::LinkInfo(infos)];
            link(&link_message(AddressFamily::Unspec, attributes)).unwrap().master
        };
        assert_eq!(member(InfoPortKind::Bond), Some((9, MasterKind::Bond)));
        assert_eq!(member(InfoPortKind::Other("openvswitch".to_owned())), Some((9, MasterKind::OpenVswitch)));
        assert_eq!(member(InfoPortKind::Vrf), None);
    }

    #[test]
    fn port_leaving_a_bridge_does_not_vanish() {
        let message = RouteNetlinkMessage::DelLink(link_message(AddressFamily::Bridge, vec![]));
        assert_eq!(change(&NetlinkMessage::from(message)), None);
    }

    #[test]
    fn stale_neighbour_is_valid_and_incomplete_is_not() {
        assert_eq!(neighbour_state(libc::NUD_STALE), NeighbourState::Valid);
        assert_eq!(neighbour_state(libc::NUD_PERMANENT), NeighbourState::Fixed);
        assert_eq!(neighbour_state(libc::NUD_INCOMPLETE), NeighbourState::Pending);
        assert_eq!(neighbour_state(libc::NUD_FAILED), NeighbourState::Failed);
        assert_eq!(neighbour_state(0), NeighbourState::Pending);
    }

    #[test]
    fn route_takes_an_ipv6_router_for_ipv4() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Unicast;
        let router = "fe80::1".parse().unwrap();
        message.attributes = vec![RouteAttribute::Oif(3), RouteAttribute::Via(RouteVia::Inet6(router))];
        let expected = Route { oif: 3, gateway: Some(IpAddr::V6(router)), source: None, mtu: None };
        assert_eq!(answer(&message), Answer::Via(expected));
    }

    #[test]
    fn route_of_refusing_kind_is_forbidden() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Prohibit;
        assert_eq!(answer(&message), Answer::Forbidden(Forbidden::Prohibit));
    }
}
