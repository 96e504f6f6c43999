//! What the kernel said about links, routes and neighbours, as far as tunnels care.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use gateway_common::net::{MacAddr, VlanId};

use crate::nic::MasterKind;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it; never used again while the host runs, so a re-created interface has another.
    pub ifindex: u32,
    /// Its name, which can change and can come back with another index.
    pub name: String,
    /// Its Ethernet address; `None` on tunnels and the like.
    pub mac: Option<MacAddr>,
    /// Largest IP packet it carries, in bytes.
    pub mtu: u32,
    /// The operator wants it up (`IFF_UP`).
    pub admin_up: bool,
    /// It can carry packets (`IFF_RUNNING`): carrier, and the links below it are up.
    pub running: bool,
    /// Set for an 802.1Q subinterface.
    pub vlan: Option<Vlan>,
    /// Index of the bond or bridge that it belongs to, and what that is.
    pub master: Option<(u32, MasterKind)>,
    /// Set for a macvlan: index of the interface it takes frames from.
    pub(crate) macvlan_of: Option<u32>,
}

/// Where an 802.1Q subinterface belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Index of the interface that carries the tagged frames.
    pub parent: u32,
    /// The tag.
    pub id: VlanId,
}

/// The kernel's answer to "how would you reach this address?" (`RTM_GETROUTE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Through an interface.
    Via(Route),
    /// It is an address of this host.
    Local,
    /// It is a multicast or broadcast address.
    NotUnicast,
    /// No route fits.
    NoRoute,
    /// A route fits, and says no.
    Forbidden(Forbidden),
    /// The lookup failed with this error number.
    Failed(i32),
}

/// A way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the interface it leaves by.
    pub(crate) oif: u32,
    /// The router; `None` where the address is on the link itself. May be IPv6 for an IPv4 route (RFC 5549).
    pub gateway: Option<IpAddr>,
    /// The source address the kernel would take.
    pub source: Option<IpAddr>,
    /// MTU of the path in bytes, where a route or path MTU discovery tells one.
    pub mtu: Option<u32>,
}

/// The kinds of route that refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// `blackhole`: dropped in silence.
    Blackhole,
    /// `unreachable`: dropped, with an ICMP error.
    Unreachable,
    /// `prohibit`: dropped, with an ICMP error of the administrative kind.
    Prohibit,
}

/// Names an entry of the neighbour tables: interface index and IP address.
pub type NeighbourKey = (u32, IpAddr);

/// An entry of the ARP or ND table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// How far the kernel trusts it.
    pub state: NeighbourState,
    /// Its Ethernet address, if known.
    pub mac: Option<MacAddr>,
    /// The kernel keeps it resolved by itself (`NTF_EXT_MANAGED`).
    pub managed: bool,
    /// A control plane put it in (`NTF_EXT_LEARNED`); a request without that flag would take it away.
    pub(crate) ext_learned: bool,
}

/// The kernel's NUD states, as far as they make a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Being asked for, or not yet.
    Pending,
    /// Asked for, no answer.
    Failed,
    /// Usable: reachable, or stale, delay and probe, where the kernel still sends to the address it has.
    Valid,
    /// Usable, and nobody's business but the operator's: permanent or noarp.
    Fixed,
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface appeared or changed.
    Link(Link),
    /// The interface with this index went.
    LinkGone(u32),
    /// A neighbour entry appeared or changed.
    Neighbour(NeighbourKey, Neighbour),
    /// A neighbour entry went.
    NeighbourGone(NeighbourKey),
    /// Routes, rules or addresses changed: every answer may be another now.
    Routing,
    /// News was lost.
    Overrun,
}

/// The copy of what the kernel knows.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    links: BTreeMap<u32, Link>,
    neighbours: HashMap<NeighbourKey, Neighbour>,
    answers: BTreeMap<IpAddr, Answer>,
}

impl Facts {
    /// Takes in news; true when routes have to be asked again because of it.
    pub fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Link(link) => {
                let before = self.links.insert(link.ifindex, link.clone());
                before.as_ref() != Some(&link)
            }
            Change::LinkGone(ifindex) => {
                self.neighbours.retain(|key, _| key.0 != ifindex);
                self.links.remove(&ifindex).is_some()
            }
            Change::Neighbour(key, mut neighbour) => {
                // The kernel asks a failed neighbour again and again; it stays "does not answer" until it does.
                let failed = self.neighbours.get(&key).is_some_and(|known| known.state == NeighbourState::Failed);
                if failed && neighbour.state == NeighbourState::Pending {
                    neighbour.state = NeighbourState::Failed;
                }
                self.neighbours.insert(key, neighbour);
                false
            }
            Change::NeighbourGone(key) => {
                self.neighbours.remove(&key);
                false
            }
            Change::Routing | Change::Overrun => true,
        }
    }

    /// Replaces links and neighbours by a fresh dump of them; answers stay until they are asked again.
    pub fn replace(&mut self, dump: impl IntoIterator<Item = Change>) {
        let old = std::mem::take(&mut self.neighbours);
        self.links.clear();
        for change in dump {
            if let Change::Neighbour(key, _) = &change
                && let Some(known) = old.get(key)
            {
                self.neighbours.insert(*key, *known);
            }
            self.apply(change);
        }
    }

    /// Notes the kernel's answer for a remote.
    pub fn answer(&mut self, remote: IpAddr, answer: Answer) {
        self.answers.insert(remote, answer);
    }

    /// Forgets the answers for remotes that `keep` doesn't want.
    pub(crate) fn retain_answers(&mut self, mut keep: impl FnMut(&IpAddr) -> bool) {
        self.answers.retain(|remote, _| keep(remote));
    }

    /// The answer for a remote, if it was asked.
    pub(crate) fn answer_of(&self, remote: &IpAddr) -> Option<&Answer> {
        self.answers.get(remote)
    }

    /// The interface with this index.
    pub fn link(&self, ifindex: u32) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    /// All interfaces, by index.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// An entry of the neighbour tables.
    pub fn neighbour(&self, key: &NeighbourKey) -> Option<&Neighbour> {
        self.neighbours.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: NeighbourKey = (2, IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)));

    fn link(mtu: u32) -> Link {
        Link {
            ifindex: 2,
            name: "eth0".into(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            mtu,
            admin_up: true,
            running: true,
            vlan: None,
            master: None,
            macvlan_of: None,
        }
    }

    fn neighbour(state: NeighbourState) -> Change {
        Change::Neighbour(KEY, Neighbour { state, mac: None, managed: false, ext_learned: false })
    }

    #[test]
    fn a_link_that_did_not_change_leaves_routes_alone() {
        let mut facts = Facts::default();
        assert!(facts.apply(Change::Link(link(1500))));
        assert!(!facts.apply(Change::Link(link(1500))));
        assert!(facts.apply(Change::Link(link(9000))));
    }

    #[test]
    fn neighbours_go_with_their_link() {
        let mut facts = Facts::default();
        facts.apply(Change::Link(link(1500)));
        facts.apply(neighbour(NeighbourState::Valid));
        assert!(facts.apply(Change::LinkGone(2)));
        assert_eq!(facts.neighbour(&KEY), None);
    }

    #[test]
    fn a_failed_neighbour_asked_again_is_still_failed() {
        let mut facts = Facts::default();
        facts.apply(neighbour(NeighbourState::Failed));
        facts.apply(neighbour(NeighbourState::Pending));
        assert_eq!(facts.neighbour(&KEY).unwrap().state, NeighbourState::Failed);
        facts.replace([neighbour(NeighbourState::Pending)]);
        assert_eq!(facts.neighbour(&KEY).unwrap().state, NeighbourState::Failed);
        facts.apply(neighbour(NeighbourState::Valid));
        facts.apply(neighbour(NeighbourState::Pending));
        assert_eq!(facts.neighbour(&KEY).unwrap().state, NeighbourState::Pending);
    }

    #[test]
    fn a_dump_forgets_what_it_does_not_hold() {
        let mut facts = Facts::default();
        facts.apply(Change::Link(link(1500)));
        facts.apply(neighbour(NeighbourState::Valid));
        facts.replace([]);
        assert_eq!(facts.links().count(), 0);
        assert_eq!(facts.neighbour(&KEY), None);
    }
}
