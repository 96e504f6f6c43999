//! Wanted state and snapshot of the underlay.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::net::MacAddr;

use super::{
    facts::Facts,
    resolve::{Resolution, Why},
};
use crate::{
    netlink::{Answer, Link, MasterKind},
    nic::Master,
};

/// Objects to follow, as set by the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The remote VTEPs.
    pub remotes: BTreeSet<IpAddr>,
    /// Names of the NICs of the underlay. Tunnels use only these.
    pub uplinks: BTreeSet<String>,
    /// Names of the access ports; only their links are followed.
    pub ports: BTreeSet<String>,
    /// This gateway's tunnel addresses. They are the source of a lookup, so that routing rules by source apply.
    pub vteps: BTreeSet<IpAddr>,
}

/// Snapshot of everything wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// One entry per wanted remote.
    pub hops: BTreeMap<IpAddr, Resolution>,
    /// Uplinks and access ports that exist, by name. One that is missing here does not exist at this time.
    pub links: BTreeMap<String, LinkState>,
    /// Addresses and VLANs of packets for this host on the uplinks: those of the uplinks, of VLAN subinterfaces and of
    /// macvlans on either. VLANs are those in which tunnels leave: tagged, untagged or both.
    pub arrivals: BTreeSet<(MacAddr, u16)>,
}

impl Snapshot {
    /// Returns true once no resolution is pending: every remote is resolved, or the reason why it is not is known.
    pub fn is_settled(&self) -> bool {
        !self
            .hops
            .values()
            .any(|hop| matches!(hop, Resolution::Unresolved(Why::NotAsked | Why::NeighbourPending { .. })))
    }
}

/// State of an uplink or access port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The kernel's index. Another index under the same name means that the interface was created again.
    pub ifindex: u32,
    /// Its Ethernet address, `None` where it has none.
    pub mac: Option<MacAddr>,
    /// MTU: largest IP packet in bytes.
    pub mtu: u32,
    /// True if it is up and can carry packets.
    pub up: bool,
    /// The bond or bridge to which it belongs, and which carries its traffic.
    pub master: Option<Master>,
    /// Set for a bond: its members, by index.
    pub bond: Option<BTreeMap<u32, BondMember>>,
}

/// A member of a bond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondMember {
    /// Its name.
    pub name: String,
    /// True if the bond receives by it.
    pub active: bool,
}

impl Facts {
    /// Derives the snapshot of everything wanted from the facts.
    pub(super) fn snapshot(&self, wanted: &Wanted) -> Snapshot {
        let followed = |name: &str| wanted.uplinks.contains(name) || wanted.ports.contains(name);
        let links = self
            .links()
            .filter(|link| followed(&link.name))
            .map(|link| {
                let up = link.admin_up && link.running;
                let master = link.master.map(|(index, kind)| {
                    let name = self.link(index).map_or_else(|| format!("interface {index}"), |link| link.name.clone());
                    Master { name, kind }
                });
                let bond = link.bond.then(|| self.members(link.ifindex));
                (link.name.clone(), LinkState { ifindex: link.ifindex, mac: link.mac, mtu: link.mtu, up, master, bond })
            })
            .collect();
        let hops = wanted.remotes.iter().map(|remote| (*remote, self.resolve(*remote, &wanted.uplinks))).collect();
        Snapshot { hops, links, arrivals: self.arrivals(wanted) }
    }

    /// Returns the members of a bond, by index.
    fn members(&self, bond: u32) -> BTreeMap<u32, BondMember> {
        let members = self.links().filter(|link| link.master == Some((bond, MasterKind::Bond)));
        members.map(|link| (link.ifindex, BondMember { name: link.name.clone(), active: link.active_member })).collect()
    }

    /// Returns the addresses and VLANs in which tunnel packets may arrive. The kernel accepts packets in any VLAN for
    /// which it has a subinterface. Tunnel packets may return by another uplink than the one they leave by, and so in
    /// another VLAN. But if no tunnel leaves tagged, none arrives tagged, and the same holds for untagged ones.
    fn arrivals(&self, wanted: &Wanted) -> BTreeSet<(MacAddr, u16)> {
        let vlan = |link: &Link| {
            if wanted.uplinks.contains(&link.name) {
                return Some(0);
            }
            let vlan = link.vlan?;
            wanted.uplinks.contains(&self.link(vlan.parent)?.name).then(|| vlan.id.get())
        };
        let leaves = |remote: &IpAddr| match self.answer_of(remote)? {
            Answer::Via(route) => vlan(self.link(route.oif)?),
            _ => None,
        };
        let used: BTreeSet<bool> = wanted.remotes.iter().filter_map(leaves).map(|vlan| vlan != 0).collect();
        let arrivals = self.links().filter(|link| link.admin_up).filter_map(|link| {
            let on = link.macvlan_of.map_or(Some(link), |lower| self.link(lower))?;
            Some((link.mac?, vlan(on)?))
        });
        arrivals.filter(|(_, vlan)| used.is_empty() || used.contains(&(*vlan != 0))).collect()
    }
}
