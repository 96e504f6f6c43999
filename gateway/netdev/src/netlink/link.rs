//! Interfaces: `RTM_NEWLINK` and its kin.

use std::{future::ready, io, pin::pin};

use futures_util::TryStreamExt;
use gateway_common::net::{MacAddr, VlanId};
use nix::net::if_::if_nametoindex;
use rtnetlink::{
    Error, Handle,
    packet_route::{
        AddressFamily,
        link::{
            BondPortState, InfoBondPort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVlan, LinkAttribute,
            LinkFlags, LinkInfo, LinkMessage, LinkXdp, VlanProtocol, XdpAttached,
        },
    },
};

use super::{error::io_error, request::ask};

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index. It is not reused while the host runs, so an interface that was created again has another.
    pub ifindex: u32,
    /// Its name. It can change, and can be reused with another index.
    pub name: String,
    /// Its Ethernet address; `None` on tunnels and the like.
    pub mac: Option<MacAddr>,
    /// MTU: largest IP packet in bytes.
    pub mtu: u32,
    /// True if the operator has set it up (`IFF_UP`).
    pub admin_up: bool,
    /// True if it can carry packets (`IFF_RUNNING`): it has a carrier, and the links below it are up.
    pub running: bool,
    /// Set for an 802.1Q subinterface.
    pub vlan: Option<Vlan>,
    /// Index and kind of the bond or bridge to which it belongs. A VRF is none: it only selects a routing table.
    pub master: Option<(u32, MasterKind)>,
    /// True for a bond. A team is none: its members have no XDP program.
    pub bond: bool,
    /// True for a member of a bond that is active: the bond receives by it (`IFLA_BOND_SLAVE_STATE`). The bond drops
    /// what other members receive, because a switch that floods sends it to all of them.
    pub active_member: bool,
    /// Set for a macvlan: index of the interface below.
    pub macvlan_of: Option<u32>,
    /// Index of the interface it is stacked on, if that is another one in the same network namespace.
    pub lower: Option<u32>,
    /// Id of the XDP program on it.
    pub xdp: Option<u32>,
}

/// Properties of an 802.1Q subinterface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Index of the interface that carries the tagged frames.
    pub parent: u32,
    /// The tag.
    pub id: VlanId,
}

/// Kind of a master, as far as it makes a difference here (`IFLA_INFO_SLAVE_KIND`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterKind {
    /// A bond or a team.
    Bond,
    /// A Linux bridge.
    Bridge,
    /// The kernel datapath of Open vSwitch, which stands for all its bridges.
    OpenVswitch,
    /// Another kind.
    Other,
}

impl MasterKind {
    /// Returns the kind of this name. Returns `None` for a VRF, which only selects a routing table.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bond" | "team" => Self::Bond,
            "bridge" => Self::Bridge,
            "openvswitch" => Self::OpenVswitch,
            "vrf" => return None,
            _ => Self::Other,
        })
    }
}

impl Link {
    /// Requests the interface of that name in the calling thread's network namespace. Returns `None` if there is none.
    ///
    /// # Errors
    /// Netlink does not work.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        let Ok(ifindex) = if_nametoindex(name) else { return Ok(None) };
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        Ok(ask(libc::RTM_GETLINK, &message)?.as_ref().and_then(link))
    }
}

/// Sets promiscuous mode, and nothing else, by `RTM_SETLINK`. (The older ioctl writes all flags at once, and would undo
/// a concurrent change by another program.)
pub(crate) fn set_promiscuous(ifindex: u32, on: bool) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message.header.flags = if on { LinkFlags::Promisc } else { LinkFlags::empty() };
    message.header.change_mask = LinkFlags::Promisc;
    ask(libc::RTM_SETLINK, &message).map(drop)
}

/// Returns all interfaces.
pub(crate) async fn links(handle: &Handle) -> Result<Vec<Link>, Error> {
    handle.link().get().execute().try_filter_map(|message| ready(Ok(link(&message)))).try_collect().await
}

/// Returns the message about the interface of that name, or `None` if there is none.
pub(crate) async fn link_named(handle: &Handle, name: &str) -> io::Result<Option<LinkMessage>> {
    let mut found = pin!(handle.link().get().match_name(name).execute());
    match found.try_next().await.map_err(io_error) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        other => other,
    }
}

/// Returns the interface in a message, or `None` for messages of a bridge about its port.
pub(super) fn link(message: &LinkMessage) -> Option<Link> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let flags = message.header.flags;
    let mut link = Link {
        ifindex: message.header.index,
        admin_up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        ..Link::default()
    };
    let (mut parent, mut elsewhere, mut tag, mut macvlan) = (None, false, None, false);
    let (mut master, mut kind) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().ok().map(MacAddr),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => parent = Some(*index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::Controller(index) => master = Some(*index),
            LinkAttribute::LinkInfo(infos) => {
                (tag, kind) = (vlan_tag(infos), master_kind(infos));
                macvlan = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::MacVlan)));
                link.bond = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Bond)));
                link.active_member = is_active_member(infos);
            }
            LinkAttribute::Xdp(attached) => link.xdp = xdp_program(attached),
            _ => {}
        }
    }
    link.lower = parent.filter(|parent| !elsewhere && *parent != 0 && *parent != link.ifindex);
    link.vlan = parent.zip(tag).map(|(parent, id)| Vlan { parent, id });
    link.master = master.filter(|index| *index != 0).zip(kind);
    link.macvlan_of = parent.filter(|_| macvlan);
    Some(link)
}

/// Returns the id of the attached XDP program, 0 if there are several.
fn xdp_program(attributes: &[LinkXdp]) -> Option<u32> {
    let mode = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::Attached(mode) => Some(*mode),
        _ => None,
    });
    let id = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) => Some(*id),
        _ => None,
    });
    mode.filter(|mode| *mode != XdpAttached::None).map(|_| id.unwrap_or_default())
}

/// Returns the kind of the interface's master, as the master reports it.
fn master_kind(infos: &[LinkInfo]) -> Option<MasterKind> {
    infos.iter().find_map(|info| match info {
        LinkInfo::PortKind(kind) => MasterKind::named(&kind.to_string()),
        _ => None,
    })
}

/// Returns true for a member of a bond that the bond receives by. The kernel sets the state "active" with the flag that
/// makes the bond accept frames (`bond_set_slave_active_flags`): with 802.3ad for the members that collect and
/// distribute, with active-backup for one member, and in the other modes that run XDP for all.
fn is_active_member(infos: &[LinkInfo]) -> bool {
    let of_bond = infos.iter().any(|info| matches!(info, LinkInfo::PortKind(InfoPortKind::Bond)));
    let active = |info: &LinkInfo| match info {
        LinkInfo::PortData(InfoPortData::BondPort(data)) => {
            data.contains(&InfoBondPort::BondPortState(BondPortState::Active))
        }
        _ => false,
    };
    of_bond && infos.iter().any(active)
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

#[cfg(test)]
mod tests {
    use rtnetlink::{packet_core::Parseable as _, packet_route::link::LinkHeader};

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
    fn a_bond_receives_by_members_whose_state_is_active() {
        let member = |state| {
            let data = InfoPortData::BondPort(vec![InfoBondPort::QueueId(0), InfoBondPort::BondPortState(state)]);
            let infos = vec![LinkInfo::PortKind(InfoPortKind::Bond), LinkInfo::PortData(data)];
            let message =
                link_message(AddressFamily::Unspec, vec![LinkAttribute::Controller(9), LinkAttribute::LinkInfo(infos)]);
            let link = link(&message).unwrap();
            (link.master, link.bond, link.active_member)
        };
        let bond = Some((9, MasterKind::Bond));
        assert_eq!(member(BondPortState::Active), (bond, false, true));
        assert_eq!(member(BondPortState::Backup), (bond, false, false));
        assert_eq!(member(BondPortState::Other(2)), (bond, false, false));
    }

    #[test]
    fn the_bytes_of_a_message_about_a_member_are_decoded() {
        // IFLA_LINKINFO of `ip link show`: IFLA_INFO_SLAVE_KIND "bond", IFLA_INFO_SLAVE_DATA with IFLA_BOND_SLAVE_STATE
        // and IFLA_BOND_SLAVE_MII_STATUS.
        let bytes = |state: u8| {
            let kind = [9, 0, 4, 0, b'b', b'o', b'n', b'd', 0, 0, 0, 0];
            let data = [20, 0, 5, 0, 5, 0, 1, 0, state, 0, 0, 0, 5, 0, 2, 0, 0, 0, 0, 0];
            let mut message = vec![0u8; 16];
            message.extend([36, 0, 18, 0]);
            message.extend(kind);
            message.extend(data);
            let message = LinkMessage::parse(&message).unwrap();
            link(&message).unwrap().active_member
        };
        assert_eq!((bytes(0), bytes(1)), (true, false));
    }

    #[test]
    fn a_bond_is_known_as_one_and_a_team_and_its_port_are_not() {
        let of = |infos| {
            let link = link(&link_message(AddressFamily::Unspec, vec![LinkAttribute::LinkInfo(infos)])).unwrap();
            (link.bond, link.active_member)
        };
        assert_eq!(of(vec![LinkInfo::Kind(InfoKind::Bond)]), (true, false));
        assert_eq!(of(vec![LinkInfo::Kind(InfoKind::Other("team".to_owned()))]), (false, false));
        assert_eq!(of(vec![LinkInfo::PortKind(InfoPortKind::Team)]), (false, false));
    }

    #[test]
    fn an_xdp_program_is_reported_by_its_id() {
        let xdp = vec![LinkXdp::Attached(XdpAttached::Driver), LinkXdp::ProgId(77)];
        let mut message = link_message(AddressFamily::Unspec, vec![LinkAttribute::Mtu(1500), LinkAttribute::Xdp(xdp)]);
        message.header.flags = LinkFlags::Up;
        let wanted = Link { ifindex: 7, mtu: 1500, admin_up: true, xdp: Some(77), ..Link::default() };
        assert_eq!(link(&message), Some(wanted));
    }

    #[test]
    fn loopback_is_seen_and_has_no_program_and_nothing_below() {
        let seen = Link::named("lo").unwrap().unwrap();
        assert_eq!((seen.name.as_str(), seen.xdp, seen.master, seen.lower), ("lo", None, None, None));
        assert!(seen.mtu > 0);
        assert_eq!(Link::named("no-such-if").unwrap(), None);
    }
}
