//! Receiver: checks the messages of the other node one by one, and holds their content.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gateway_common::limits::{MAX_BINDINGS, MAX_VTEPS};
use gateway_vrrp::Vrid;

use super::{
    data::{Description, RouterDescription, Stations},
    message::{ByVrid, Message, MessageError, Names, PROTOCOL, checked_name, vrid},
};

/// Reason why a received message ends the conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("it speaks version {0} of the protocol, and this node version {PROTOCOL}: are both of one release?")]
    Protocol(u32),
    #[error("it did not say who it is first")]
    NoHello,
    #[error("it said who it is twice")]
    TwoHellos,
    #[error("it sends stations, but was not called for that")]
    NotAsked,
    #[error("it sends changes of virtual router {0} before its state")]
    NoPicture(Vrid),
    #[error("it sends more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
    #[error("it said: {0}")]
    Bye(String),
}

/// State of the other side in a conversation.
#[derive(Debug)]
pub(super) struct Receiver {
    /// True if it may send stations: it was called as an active node.
    active: bool,
    max_stations: usize,
    node: Option<String>,
    routers: BTreeMap<Vrid, RouterDescription>,
    described: Option<Arc<Description>>,
    names: Names,
    incoming: ByVrid<Incoming>,
    news: News,
}

#[derive(Debug, Default)]
struct Incoming {
    stations: Stations,
    whole: bool,
}

/// Changes since the last call.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The description has changed.
    pub(super) description: bool,
    /// Virtual routers whose stations have changed and are complete.
    pub(super) stations: BTreeSet<Vrid>,
}

impl Receiver {
    /// Creates the receiver. `active`: the other side may send stations, at most `max_stations` of them.
    pub(super) fn new(active: bool, max_stations: usize) -> Self {
        let (described, names) = (None, Names::default());
        let (routers, incoming, news) = (BTreeMap::new(), ByVrid::new(), News::default());
        Self { active, max_stations, node: None, routers, described, names, incoming, news }
    }

    /// Returns the other node's name, once it is received.
    pub(super) fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Returns the other node's description, once it is complete.
    pub(super) fn description(&self) -> Option<&Arc<Description>> {
        self.described.as_ref()
    }

    /// Returns the stations of a virtual router, if they are complete.
    pub(super) fn stations(&self, vrid: Vrid) -> Option<&Stations> {
        self.incoming.get(&vrid).filter(|incoming| incoming.whole).map(|incoming| &incoming.stations)
    }

    /// Returns the changes since the last call.
    pub(super) fn news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Handles a message.
    pub(super) fn take(&mut self, message: Message) -> Result<(), ReceiveError> {
        match message {
            Message::Hello { protocol, .. } if protocol != PROTOCOL => return Err(ReceiveError::Protocol(protocol)),
            Message::Hello { .. } if self.node.is_some() => return Err(ReceiveError::TwoHellos),
            Message::Hello { node, .. } => {
                checked_name(&node)?;
                self.node = Some(node);
                self.news.description = true;
            }
            Message::Bye { reason } => {
                return Err(ReceiveError::Bye(reason.chars().filter(|c| !c.is_control()).take(200).collect()));
            }
            _ if self.node.is_none() => return Err(ReceiveError::NoHello),
            Message::Alive => {}
            Message::Router { vrid: number, switch, tunnel_ips, able, misled } => {
                checked_name(&switch)?;
                bounded("tunnel addresses", tunnel_ips.len(), MAX_VTEPS as usize)?;
                let router = self.routers.entry(vrid(number)?).or_default();
                (router.switch, router.tunnel_ips) = (switch, tunnel_ips);
                (router.able, router.misled) = (able, misled);
            }
            Message::NoRouter { vrid: number } => drop(self.routers.remove(&vrid(number)?)),
            Message::Bindings { vrid: number, there, gone } => {
                let vrid = vrid(number)?;
                let router = self.routers.get_mut(&vrid).ok_or(ReceiveError::NoPicture(vrid))?;
                let bindings = Arc::make_mut(&mut router.bindings);
                for binding in gone {
                    bindings.remove(&binding.checked(&mut self.names)?);
                }
                for binding in there {
                    bindings.insert(binding.checked(&mut self.names)?);
                }
                let all = self.routers.values().map(|router| router.bindings.len()).sum();
                bounded("bindings", all, MAX_BINDINGS as usize)?;
            }
            Message::Described => {
                let node = self.node.clone().unwrap_or_default();
                self.described = Some(Arc::new(Description { node, routers: self.routers.clone() }));
                self.news.description = true;
            }
            _ if !self.active => return Err(ReceiveError::NotAsked),
            Message::Picture { vrid: number } => {
                self.incoming.insert(vrid(number)?, Incoming::default());
            }
            Message::Stations { vrid: number, there, gone } => {
                let vrid = vrid(number)?;
                let incoming = self.incoming.get_mut(&vrid).ok_or(ReceiveError::NoPicture(vrid))?;
                for station in gone {
                    incoming.stations.withdraw(&station.checked(&mut self.names)?);
                }
                for station in there {
                    incoming.stations.insert(station.checked(&mut self.names)?);
                }
                if incoming.whole {
                    self.news.stations.insert(vrid);
                }
                let all = self.incoming.values().map(|incoming| incoming.stations.len()).sum();
                bounded("stations", all, self.max_stations)?;
            }
            Message::Whole { vrid: number } => {
                let vrid = vrid(number)?;
                self.incoming.get_mut(&vrid).ok_or(ReceiveError::NoPicture(vrid))?.whole = true;
                self.news.stations.insert(vrid);
            }
            Message::Retired { vrid: number } => drop(self.incoming.remove(&vrid(number)?)),
        }
        Ok(())
    }
}

fn bounded(what: &'static str, count: usize, max: usize) -> Result<(), ReceiveError> {
    if count > max { Err(ReceiveError::TooMany { what, max }) } else { Ok(()) }
}
