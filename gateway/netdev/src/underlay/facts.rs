//! Facts from the kernel about links, routes and neighbours, as far as tunnels need them.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use crate::netlink::{Answer, Change, Link, Neighbour, NeighbourKey, NeighbourState};

/// Copy of the kernel's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    links: BTreeMap<u32, Link>,
    neighbours: HashMap<NeighbourKey, Neighbour>,
    answers: BTreeMap<IpAddr, Answer>,
}

impl Facts {
    /// Applies a change. Returns true if routes have to be requested again because of it.
    pub(super) fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Link(mut link) => {
                // A program that comes or goes changes no route.
                link.xdp = None;
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
            Change::Address(_) | Change::AddressGone { .. } | Change::Routing | Change::Overrun => true,
        }
    }

    /// Replaces links and neighbours by a new dump. Answers stay until they are requested again.
    pub(super) fn replace(&mut self, dump: impl IntoIterator<Item = Change>) {
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
    pub(super) fn answer(&mut self, remote: IpAddr, answer: Answer) {
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
    pub(super) fn link(&self, ifindex: u32) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    /// Returns all interfaces, by index.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// Returns an entry of the neighbour tables.
    pub(super) fn neighbour(&self, key: &NeighbourKey) -> Option<&Neighbour> {
        self.neighbours.get(key)
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::net::MacAddr;

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
            ..Link::default()
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
