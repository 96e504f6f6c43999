//! What is asked of the underlay, and what it answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::net::MacAddr;

use super::{
    facts::{Answer, Facts, Link},
    resolve::{Resolution, Why},
};
use crate::nic::Master;

/// What the agent wants followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The remote VTEPs.
    pub remotes: BTreeSet<IpAddr>,
    /// Names of the NICs towards the underlay; tunnels leave by these only.
    pub uplinks: BTreeSet<String>,
    /// Names of the access ports; only their links are followed.
    pub ports: BTreeSet<String>,
    /// This gateway's tunnel addresses: the source of a lookup, so that routing rules by source are obeyed.
    pub vteps: BTreeSet<IpAddr>,
}

/// The state of everything wanted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// One entry per wanted remote.
    pub hops: BTreeMap<IpAddr, Resolution>,
    /// Uplinks and access ports that exist, by name. One that is missing here does not exist (now).
    pub links: BTreeMap<String, LinkState>,
    /// Addresses and VLANs that packets for this host have on the uplinks: those of the uplinks, of VLAN subinterfaces and of
    /// macvlans on either, in which tunnels leave: tagged, untagged or both.
    pub arrivals: BTreeSet<(MacAddr, u16)>,
}

impl Snapshot {
    /// True once nothing is about to be resolved any more: every remote is, or it is known why not.
    pub fn is_settled(&self) -> bool {
        !self
            .hops
            .values()
            .any(|hop| matches!(hop, Resolution::Unresolved(Why::NotAsked | Why::NeighbourPending { .. })))
    }
}

/// An uplink or access port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The kernel's number; another one under the same name means the interface was re-created.
    pub ifindex: u32,
    /// Its Ethernet address, `None` where it has none.
    pub mac: Option<MacAddr>,
    /// Largest IP packet it carries, in bytes.
    pub mtu: u32,
    /// Up, and able to carry packets.
    pub up: bool,
    /// The bond or bridge that it belongs to, which carries its traffic.
    pub master: Option<Master>,
}

impl Facts {
    /// Draws the conclusions from the facts, for everything wanted.
    pub fn snapshot(&self, wanted: &Wanted) -> Snapshot {
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
                (link.name.clone(), LinkState { ifindex: link.ifindex, mac: link.mac, mtu: link.mtu, up, master })
            })
            .collect();
        let hops = wanted.remotes.iter().map(|remote| (*remote, self.resolve(*remote, &wanted.uplinks))).collect();
        Snapshot { hops, links, arrivals: self.arrivals(wanted) }
    }

    /// The kernel takes packets in any VLAN that it has a subinterface for. A tunnel's may come back by another uplink than
    /// they leave by, and so in another VLAN; but where no tunnel leaves tagged, none comes tagged, and the other way round.
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
