//! Interface for the agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_vrrp::Vrid;
use tokio::sync::watch;

use super::{
    data::{Description, Local, Remote, Stations},
    message::ByVrid,
    secure::Keys,
    sender,
};

/// Set of nodes that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Nodes with these addresses.
    Only(BTreeSet<IpAddr>),
    /// All nodes on the same link. If VRRP is multicast, the address of a standby that has never been active is not
    /// known.
    Neighbours,
}

impl Callers {
    pub(super) fn include(&self, address: &IpAddr) -> bool {
        match self {
            Self::Only(addresses) => addresses.contains(address),
            Self::Neighbours => true,
        }
    }
}

/// Data to send and nodes to follow, as set by the agent.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) description: Arc<Description>,
    pub(super) stations: Arc<ByVrid<Stations>>,
    pub(super) follow: BTreeMap<Vrid, Remote>,
    pub(super) listen: BTreeSet<Local>,
    pub(super) allowed: Callers,
    pub(super) keys: Arc<Keys>,
}

impl Wanted {
    pub(super) fn new() -> Self {
        Self {
            description: Arc::default(),
            stations: sender::none(),
            follow: BTreeMap::new(),
            listen: BTreeSet::new(),
            allowed: Callers::Only(BTreeSet::new()),
            keys: Arc::default(),
        }
    }
}

/// Sends data of this node to the other nodes. When it is dropped, all conversations end.
#[derive(Debug)]
pub struct Peers {
    wanted: watch::Sender<Wanted>,
}

impl Peers {
    pub(super) fn new() -> (Self, watch::Receiver<Wanted>) {
        let (wanted, receiver) = watch::channel(Wanted::new());
        (Self { wanted }, receiver)
    }

    /// Sets the description of this node. Before it is set, no node is called and no call is answered. Data of virtual
    /// routers that are no longer in it is dropped.
    pub fn local(&self, description: Description) {
        self.wanted.send_if_modified(|wanted| {
            let new = *wanted.description != description;
            if new {
                wanted.description = Arc::new(description);
            }
            new
        });
    }

    /// Sets the stations that this node has learned as the active node of `vrid`. `None`: it is not active, or no
    /// longer.
    pub fn stations(&self, vrid: Vrid, stations: Option<Stations>) {
        self.wanted.send_if_modified(|wanted| {
            let new = wanted.stations.get(&vrid) != stations.as_ref();
            if new {
                let all = Arc::make_mut(&mut wanted.stations);
                match stations {
                    Some(stations) => drop(all.insert(vrid, stations)),
                    None => drop(all.remove(&vrid)),
                }
            }
            new
        });
    }

    /// Sets the active node of `vrid`. `None`: this node is active, or no node is.
    pub fn follow(&self, vrid: Vrid, active: Option<Remote>) {
        self.wanted.send_if_modified(|wanted| {
            let before = match active {
                Some(active) => wanted.follow.insert(vrid, active),
                None => wanted.follow.remove(&vrid),
            };
            before != active
        });
    }

    /// Sets the addresses at which this node can be called. Empty: all its addresses.
    pub fn listen(&self, addresses: BTreeSet<Local>) {
        self.wanted.send_if_modified(|wanted| replace(&mut wanted.listen, addresses));
    }

    /// Sets the keys that both sides must have. If they change, conversations begin again.
    pub fn authenticate(&self, keys: Keys) {
        self.wanted.send_if_modified(|wanted| *wanted.keys != keys && replace(&mut wanted.keys, Arc::new(keys)));
    }

    /// Sets the nodes that may call this node. Until it is set, none may.
    pub fn allow(&self, callers: Callers) {
        self.wanted.send_if_modified(|wanted| replace(&mut wanted.allowed, callers));
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}
