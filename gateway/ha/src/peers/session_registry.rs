//! Session registry: combines the data that all conversations have received.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gateway_vrrp::{Time, Vrid};
use tokio::sync::Notify;

use super::{
    data::{Able, Followed, Local, Remote, Stations},
    handle::Wanted,
    message::ByVrid,
};

/// Time after which a problem is reported. Two databases are never changed at the same instant, and a connection breaks
/// whenever a role changes.
pub(super) const SETTLE: Duration = Duration::from_secs(5);

/// The most callers without the key that are reported at a time. Each is reported for `REFUSED_FOR` after its call.
const REFUSED: usize = 4;
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Data of one conversation that concerns the others.
#[derive(Debug)]
pub(super) struct Seen {
    /// The node that this node has called; `None`: this node was called.
    pub(super) called: Option<Remote>,
    pub(super) address: IpAddr,
    /// The other node's name.
    pub(super) node: String,
    /// The virtual routers it takes part in, and the number of bindings that it could forward of each.
    pub(super) routers: BTreeMap<Vrid, Option<u32>>,
    pub(super) differences: BTreeSet<String>,
}

/// Subject of a problem. There is at most one problem for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum With {
    Remote(Remote),
    Listener(Local),
}

/// Combined data of all conversations.
#[derive(Debug, Default)]
pub(super) struct Sum {
    next: u64,
    conversations: BTreeMap<u64, Seen>,
    pub(super) kept: ByVrid<Stations>,
    pub(super) troubles: BTreeMap<With, String>,
    /// Number of requests by callers to announce addresses again.
    misled: ByVrid<u64>,
    /// Callers that have not proved that they have the key, with reason and time.
    refused: BTreeMap<IpAddr, (String, Time)>,
    since: BTreeMap<String, Time>,
}

impl Sum {
    /// Records a caller that was not trusted.
    pub(super) fn refuse(&mut self, address: IpAddr, reason: String, now: Time) {
        if self.refused.len() < REFUSED || self.refused.contains_key(&address) {
            self.refused.insert(address, (reason, now));
        }
    }

    /// Records that a caller receives packets that are meant for this node.
    pub(super) fn mislead(&mut self, vrid: Vrid) {
        *self.misled.entry(vrid).or_default() += 1;
    }

    /// Returns the combined data, and the time at which it changes without further input.
    pub(super) fn followed(&mut self, now: Time, wanted: &Wanted) -> (Followed, Option<Time>) {
        let ours = &wanted.description.routers;
        self.kept.retain(|vrid, _| ours.contains_key(vrid));
        self.misled.retain(|vrid, _| ours.contains_key(vrid));
        let misled = self.misled.clone();
        let mut followed = Followed { stations: self.kept.clone(), misled, ..Followed::default() };
        for seen in self.conversations.values() {
            for (vrid, bindings) in seen.routers.iter().filter(|(vrid, _)| ours.contains_key(vrid)) {
                let able = Able { node: seen.node.clone(), bindings: *bindings };
                followed.able.entry(*vrid).or_default().insert(seen.address, able);
            }
            match seen.called {
                Some(remote) => {
                    let vrids = wanted.follow.iter().filter(|(_, active)| **active == remote);
                    followed.active.extend(vrids.map(|(vrid, _)| (*vrid, seen.node.clone())));
                }
                None => {
                    for vrid in seen.routers.keys().filter(|vrid| ours.contains_key(vrid)) {
                        followed.standbys.entry(*vrid).or_default().insert(seen.address, seen.node.clone());
                    }
                }
            }
        }
        self.troubles.retain(|with, _| match with {
            With::Remote(remote) => wanted.follow.values().any(|active| active == remote),
            With::Listener(_) => true,
        });
        let differences = self.conversations.values().flat_map(|seen| &seen.differences);
        self.refused.retain(|_, (_, at)| now < *at + REFUSED_FOR);
        let refused = self.refused.iter();
        let refused: Vec<String> =
            refused.map(|(address, (reason, _))| format!("{address} called and was not answered: {reason}")).collect();
        let problems: BTreeSet<&String> = self.troubles.values().chain(differences).chain(&refused).collect();
        self.since = problems
            .into_iter()
            .map(|problem| (problem.clone(), self.since.get(problem).copied().unwrap_or(now)))
            .collect();
        let settled = |since: Time| now >= since + SETTLE;
        let lasting = self.since.iter().filter(|(_, since)| settled(**since));
        followed.problems = lasting.map(|(problem, _)| problem.clone()).collect();
        let next = self.since.values().filter(|since| !settled(**since)).map(|since| *since + SETTLE);
        let forget = self.refused.values().map(|(_, at)| *at + REFUSED_FOR);
        (followed, next.chain(forget).min())
    }
}

/// The combined data, shared by all tasks.
#[derive(Debug, Default)]
pub(super) struct SessionRegistry {
    sum: Mutex<Sum>,
    news: Notify,
}

impl SessionRegistry {
    fn lock(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the data, and wakes the task that waits for [`SessionRegistry::changed`].
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Sum) -> T) -> T {
        let result = change(&mut self.lock());
        self.news.notify_one();
        result
    }

    /// Stores the stations of a virtual router.
    pub(super) fn keep(&self, vrid: Vrid, stations: &Stations) {
        let mut sum = self.lock();
        if !sum.kept.get(&vrid).is_some_and(|kept| kept.is(stations)) {
            sum.kept.insert(vrid, stations.clone());
            self.news.notify_one();
        }
    }

    /// Returns the combined data; see [`Sum::followed`].
    pub(super) fn followed(&self, now: Time, wanted: &Wanted) -> (Followed, Option<Time>) {
        self.lock().followed(now, wanted)
    }

    /// Resolves when the data was changed.
    pub(super) async fn changed(&self) {
        self.news.notified().await;
    }

    /// Registers a conversation for as long as the result lives.
    pub(super) fn enter(&self, seen: Seen) -> Entry<'_> {
        let number = self.update(|sum| {
            sum.next += 1;
            sum.conversations.insert(sum.next, seen);
            sum.next
        });
        Entry { registry: self, number }
    }
}

/// Registration of a conversation.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    registry: &'a SessionRegistry,
    number: u64,
}

impl Entry<'_> {
    /// Changes the registered data.
    pub(super) fn update(&self, change: impl FnOnce(&mut Seen)) {
        self.registry.update(|sum| sum.conversations.get_mut(&self.number).map(change));
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.registry.update(|sum| sum.conversations.remove(&self.number));
    }
}
