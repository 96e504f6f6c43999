//! The agent's end.

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

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Nodes with these addresses.
    Only(BTreeSet<IpAddr>),
    /// Whoever is on the same link: a standby that has never been active is not known by its address where VRRP is
    /// multicast.
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

/// What the agent wants said and heard.
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

/// Tells the other nodes of this one. When it is dropped, all conversations end.
#[derive(Debug)]
pub struct Peers {
    wanted: watch::Sender<Wanted>,
}

impl Peers {
    pub(super) fn new() -> (Self, watch::Receiver<Wanted>) {
        let (wanted, receiver) = watch::channel(Wanted::new());
        (Self { wanted }, receiver)
    }

    /// What this node is. Before it is told, nobody is called and nobody answered. What the node's virtual routers no
    /// longer include is forgotten.
    pub fn local(&self, description: Description) {
        self.wanted.send_if_modified(|wanted| {
            let new = *wanted.description != description;
            if new {
                wanted.description = Arc::new(description);
            }
            new
        });
    }

    /// What this node has learned as the active one of `vrid`. `None`: it is not, or no longer.
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

    /// Which node is active for `vrid`. `None`: this one, or nobody is.
    pub fn follow(&self, vrid: Vrid, active: Option<Remote>) {
        self.wanted.send_if_modified(|wanted| {
            let before = match active {
                Some(active) => wanted.follow.insert(vrid, active),
                None => wanted.follow.remove(&vrid),
            };
            before != active
        });
    }

    /// The addresses of this node to be called at. None: all that it has.
    pub fn listen(&self, addresses: BTreeSet<Local>) {
        self.wanted.send_if_modified(|wanted| replace(&mut wanted.listen, addresses));
    }

    /// What both sides have to have. Conversations begin anew where it is something else than before.
    pub fn authenticate(&self, keys: Keys) {
        self.wanted.send_if_modified(|wanted| *wanted.keys != keys && replace(&mut wanted.keys, Arc::new(keys)));
    }

    /// Who may call this node. Until it is told, nobody.
    pub fn allow(&self, callers: Callers) {
        self.wanted.send_if_modified(|wanted| replace(&mut wanted.allowed, callers));
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}
