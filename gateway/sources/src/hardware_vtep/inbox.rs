//! Input of the actor that is not processed yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use gateway_common::net::{MacAddr, Vni};
use tokio::sync::Notify;

use crate::vtep::{Faults, LocalMac, Settings, TrafficByBinding};

/// Change of the stations behind access ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// The complete set of stations. Nothing is published or withdrawn before the first of these, so that an agent that
    /// starts does not withdraw stations that it has not yet learned again.
    All(BTreeSet<LocalMac>),
    /// A station was learned, or its address became known.
    Learned(LocalMac),
    /// A station is gone: it aged out, moved behind a tunnel, or its logical switch was unbound.
    Gone(Vni, MacAddr),
}

/// Pending input of the actor. A later value replaces an earlier one of the same kind, so the inbox is bounded.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pending: Mutex<Pending>,
    changed: Notify,
}

/// Input since the last look.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) all: Option<BTreeSet<LocalMac>>,
    /// Changes after `all`: the address of a station, if it has one, or `None` if the station is gone.
    pub(super) local: BTreeMap<(Vni, MacAddr), Option<Option<IpAddr>>>,
    pub(super) traffic: Option<TrafficByBinding>,
    pub(super) faults: Option<Faults>,
    pub(super) unreachable: Option<BTreeSet<IpAddr>>,
    pub(super) writing: Option<bool>,
    pub(super) settings: Option<Settings>,
    /// True if the handle was dropped.
    pub(super) closed: bool,
}

impl Pending {
    /// Adds a change. It replaces a pending change of the same station.
    pub(super) fn learned(&mut self, change: Local) {
        match change {
            Local::All(all) => (self.all, self.local) = (Some(all), BTreeMap::new()),
            Local::Learned(station) => {
                self.local.insert((station.vni, station.mac), Some(station.ip));
            }
            Local::Gone(vni, mac) => {
                self.local.insert((vni, mac), None);
            }
        }
    }
}

impl Inbox {
    /// Changes the pending input, and wakes the actor.
    pub(super) fn put(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// Removes and returns the pending input.
    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
