//! Facts from the kernel about links, routes and neighbours, as far as tunnels need them.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use gateway_common::net::{MacAddr, VlanId};

use crate::nic::MasterKind;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Index and kind of the bond or bridge to which it belongs.
    pub master: Option<(u32, MasterKind)>,
    /// Set for a macvlan: index of the interface below.
    pub(crate) macvlan_of: Option<u32>,
}

/// Properties of an 802.1Q subinterface.
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
    /// No route matches.
    NoRoute,
    /// A route matches, and refuses.
    Forbidden(Forbidden),
    /// The lookup failed with this error number.
    Failed(i32),
}

/// A route to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the outgoing interface.
    pub(crate) oif: u32,
    /// The router; `None` if the address is on the link itself. May be IPv6 for an IPv4 route (RFC 5549).
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel would choose.
    pub source: Option<IpAddr>,
    /// MTU of the path in bytes, if a route or path MTU discovery reports one.
    pub mtu: Option<u32>,
}

/// The kinds of route that refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// `blackhole`: dropped silently.
    Blackhole,
    /// `unreachable`: dropped, with an ICMP error.
    Unreachable,
    /// `prohibit`: dropped, with an ICMP error of the administrative kind.
    Prohibit,
}

/// Key of an entry of the neighbour tables: interface index and IP address.
pub type NeighbourKey = (u32, IpAddr);

/// An entry of the ARP or ND table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// State of the entry in the kernel.
    pub state: NeighbourState,
    /// Its Ethernet address, if known.
    pub mac: Option<MacAddr>,
    /// True if the kernel keeps it resolved by itself (`NTF_EXT_MANAGED`).
    pub managed: bool,
    /// True if a control plane has added it (`NTF_EXT_LEARNED`). A request without that flag would remove the flag.
    pub(crate) ext_learned: bool,
}

/// The kernel's NUD states, as far as they make a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Resolution is in progress, or has not begun.
    Pending,
    /// Resolution has failed: no answer.
    Failed,
    /// Usable: reachable, or stale, delay and probe, in which the kernel still sends to the known address.
    Valid,
    /// Usable, and managed by the operator only: permanent or noarp.
    Fixed,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface was added or has changed.
    Link(Link),
    /// The interface with this index was removed.
    LinkGone(u32),
    /// A neighbour entry was added or has changed.
    Neighbour(NeighbourKey, Neighbour),
    /// A neighbour entry was removed.
    NeighbourGone(NeighbourKey),
    /// Routes, rules or addresses have changed, so every answer may have changed.
    Routing,
    /// Notifications were lost.
    Overrun,
}

/// Copy of the kernel's state.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    links: BTreeMap<u32, Link>,
    neighbours: HashMap<NeighbourKey, Neighbour>,
    answers: BTreeMap<IpAddr, Answer>,
}

impl Facts {
    /// Applies a change. Returns true if routes have to be requested again because of it.
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
                // The kernel retries a failed neighbour again and again. It stays failed until it answers.
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

    /// Replaces links and neighbours by a new dump. Answers stay until they are requested again.
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

    /// Stores the kernel's answer for a remote.
    pub fn answer(&mut self, remote: IpAddr, answer: Answer) {
        self.answers.insert(remote, answer);
    }

    /// Drops the answers for remotes that `keep` refuses.
    pub(crate) fn retain_answers(&mut self, mut keep: impl FnMut(&IpAddr) -> bool) {
        self.answers.retain(|remote, _| keep(remote));
    }

    /// Returns the answer for a remote, if it was requested.
    pub(crate) fn answer_of(&self, remote: &IpAddr) -> Option<&Answer> {
        self.answers.get(remote)
    }

    /// Returns the interface with this index.
    pub fn link(&self, ifindex: u32) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    /// Returns all interfaces, by index.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// Returns an entry of the neighbour tables.
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
