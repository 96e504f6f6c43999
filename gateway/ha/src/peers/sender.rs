//! Sender: tracks the data that the other node has been sent, and creates the next message.
//!
//! Nothing is queued for a node that does not read, except the data that is being sent now. Changes that happen
//! meanwhile are derived later, as the difference to the state at that time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use gateway_common::net::{MacAddr, Vni};
use gateway_vrrp::Vrid;

use super::{
    data::{Changes, Description, RouterDescription, Station, Stations},
    message::{ByVrid, CHUNK, Message, chunks},
};

/// State of the sending side in a conversation.
#[derive(Debug, Default)]
pub(super) struct Sender {
    description: Arc<Description>,
    stations: Arc<ByVrid<Stations>>,
    sent: ByVrid<RouterDescription>,
    described: bool,
    flows: ByVrid<Flow>,
    queue: VecDeque<Message>,
}

/// Progress of the stations of one virtual router.
#[derive(Debug)]
enum Flow {
    /// A first full transfer, sent up to and including the station `after`.
    Picture { of: Stations, after: Option<(Vni, MacAddr)> },
    /// All of these were sent.
    Sent(Stations),
}

impl Sender {
    /// Sets the data to send. `stations` has those of the virtual routers for which this node is active.
    pub(super) fn want(&mut self, description: Arc<Description>, stations: Arc<ByVrid<Stations>>) {
        self.described &= self.description == description;
        self.description = description;
        self.stations = stations;
    }

    /// Returns the next message, if there is one.
    pub(super) fn next(&mut self) -> Option<Message> {
        while self.queue.is_empty() {
            if !self.described {
                self.describe();
            } else if !self.send_stations() {
                return None;
            }
        }
        self.queue.pop_front()
    }

    /// Returns the number of waiting messages.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn describe(&mut self) {
        self.described = true;
        let description = self.description.clone();
        for vrid in self.sent.keys().filter(|vrid| !description.routers.contains_key(vrid)) {
            self.queue.push_back(Message::NoRouter { vrid: vrid.get() });
        }
        self.sent.retain(|vrid, _| description.routers.contains_key(vrid));
        for (vrid, router) in &description.routers {
            let sent = self.sent.insert(*vrid, router.clone());
            let vrid = vrid.get();
            let head = |of: &RouterDescription| (of.switch.clone(), of.tunnel_ips.clone(), of.able, of.misled);
            if sent.as_ref().is_none_or(|sent| head(sent) != head(router)) {
                let (switch, tunnel_ips, able, misled) = head(router);
                self.queue.push_back(Message::Router { vrid, switch, tunnel_ips, able, misled });
            }
            let (there, gone) = difference(&sent.unwrap_or_default().bindings, &router.bindings);
            self.queue.extend(chunks(&there, &gone, |there, gone| Message::Bindings { vrid, there, gone }));
        }
        self.queue.push_back(Message::Described);
    }

    /// Queues a message about stations. Returns false if there is none.
    fn send_stations(&mut self) -> bool {
        let stations = self.stations.clone();
        if let Some(vrid) = self.flows.keys().copied().find(|vrid| !stations.contains_key(vrid)) {
            self.flows.remove(&vrid);
            self.queue.push_back(Message::Retired { vrid: vrid.get() });
            return true;
        }
        stations.iter().any(|(vrid, wanted)| self.go_on(*vrid, wanted))
    }

    fn go_on(&mut self, vrid: Vrid, wanted: &Stations) -> bool {
        let number = vrid.get();
        match self.flows.get_mut(&vrid) {
            None => {
                self.flows.insert(vrid, Flow::Picture { of: wanted.clone(), after: None });
                self.queue.push_back(Message::Picture { vrid: number });
            }
            Some(Flow::Sent(sent)) if sent.is(wanted) => return false,
            Some(Flow::Sent(sent)) => {
                let Changes { there, gone } = wanted.changes_since(sent);
                *sent = wanted.clone();
                let messages = chunks(&there, &gone, |there, gone| Message::Stations { vrid: number, there, gone });
                self.queue.extend(messages);
                return !self.queue.is_empty();
            }
            Some(Flow::Picture { of, after }) => {
                let part: Vec<Station> = match after {
                    Some(last) => of.after(last).take(CHUNK).collect(),
                    None => of.iter().take(CHUNK).collect(),
                };
                match part.last() {
                    Some(last) => {
                        *after = Some((last.vni, last.mac));
                        let there = part.iter().map(Into::into).collect();
                        self.queue.push_back(Message::Stations { vrid: number, there, gone: Vec::new() });
                    }
                    None => {
                        self.queue.push_back(Message::Whole { vrid: number });
                        let sent = Flow::Sent(of.clone());
                        self.flows.insert(vrid, sent);
                    }
                }
            }
        }
        true
    }
}

/// Returns the added and the removed items.
fn difference<T: Ord + Clone>(old: &Arc<BTreeSet<T>>, new: &Arc<BTreeSet<T>>) -> (Vec<T>, Vec<T>) {
    if Arc::ptr_eq(old, new) {
        return (Vec::new(), Vec::new());
    }
    (new.difference(old).cloned().collect(), old.difference(new).cloned().collect())
}

/// Returns an empty map of stations by virtual router.
pub(super) fn none() -> Arc<ByVrid<Stations>> {
    Arc::new(BTreeMap::new())
}
