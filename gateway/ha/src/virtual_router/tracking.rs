//! Environment of a virtual router: the interface, the socket on it, and the tracked objects.

use std::{collections::BTreeSet, net::IpAddr};

use gateway_base::clock;
use gateway_netdev::links::Links;
use gateway_vrrp::{Priority, Time, Tracked};

use super::{Body, REOPEN, Shared, VirtualRouter, Work};
use crate::{
    Family,
    port::{Port, PortOptions},
    tracking::{self, Conditions},
};

/// Change of priority that leaves the lowest one, whatever is configured, except for the owner.
const HELD: i32 = -254;

impl VirtualRouter {
    /// Checks interfaces and all other tracked objects, and opens the socket if it is not open.
    pub(crate) fn look(&mut self, shared: &mut Shared) {
        let now = clock::monotonic();
        let body = &mut self.body;
        if body.socket_is_stale(&shared.links, &shared.virtual_addresses) {
            body.close(shared);
            body.reopen = now;
        }
        if body.port.is_none() && body.reopen <= now && body.open(shared, now) {
            self.machine.reconfigure(body.settings(shared), now);
        }
        let tracked = body.track(shared);
        self.machine.track(tracked, now);
        body.restore_addresses(&shared.links);
    }
}

impl Body {
    pub(super) fn track(&mut self, shared: &Shared) -> Tracked {
        let Shared { links, uplinks, ports, data_plane, attached, database, .. } = shared;
        let conditions = Conditions { links, uplinks, ports, data_plane: *data_plane, attached, database: *database };
        let (mut tracked, problems) = tracking::evaluate(&self.config, conditions);
        if shared.held.contains(&self.vrid) {
            tracked.delta = HELD;
        }
        // A node that can't send can't announce that it is active.
        tracked.fault |= self.port.is_none();
        self.tracking = problems;
        if self.config.priority == Priority::OWNER
            && let Some(link) = links.get(&self.config.interface)
        {
            for address in self.addresses.iter().filter(|address| !link.addresses.contains(address)) {
                let interface = &self.config.interface;
                self.tracking
                    .insert(format!("priority 255 means that {address} is an address of {interface}, which it is not"));
            }
        }
        tracked
    }

    /// Returns true if the socket is no longer the one that would be opened now.
    pub(super) fn socket_is_stale(&self, links: &Links, virtual_addresses: &BTreeSet<IpAddr>) -> bool {
        let Some(port) = &self.port else { return false };
        let Some(link) = links.get(&self.config.interface) else { return true };
        let source = self.config.source.is_none_or(|source| source == port.source());
        let kept = self.config.source.is_some()
            || link.addresses.contains(&port.source())
            || links.source(&self.config.interface, self.family() == Family::V6, virtual_addresses).is_none();
        link.ifindex != port.ifindex() || !source || !kept
    }

    /// Restores addresses that another program has removed.
    pub(super) fn restore_addresses(&mut self, links: &Links) {
        if !self.placement.wanted || self.placement.there.is_none() || self.config.priority == Priority::OWNER {
            return;
        }
        let name = if self.config.virtual_mac { self.macvlan() } else { self.config.interface.clone() };
        let whole = |addresses: &[IpAddr]| self.addresses.iter().all(|address| addresses.contains(address));
        if !links.get(&name).is_some_and(|link| whole(&link.addresses)) {
            self.placement.mover.want(true);
        }
    }

    /// Opens the socket. Returns true if it is open now.
    pub(super) fn open(&mut self, shared: &Shared, now: Time) -> bool {
        let all: Vec<IpAddr> = shared.virtual_addresses.iter().copied().collect();
        match Port::open(self.port_options(&all)) {
            Ok(port) => {
                self.port = Some(port);
                self.work_faults.remove(&Work::Listening);
                if self.placement.there.is_some() {
                    self.speak();
                }
                true
            }
            Err(error) => {
                self.work_faults.insert(Work::Listening, format!("{error}: this node can't be active"));
                self.reopen = now + REOPEN;
                false
            }
        }
    }

    pub(super) fn close(&mut self, shared: &Shared) {
        if let Some(port) = self.port.take() {
            shared.net.close(port);
        }
    }

    pub(super) fn port_options<'a>(&'a self, virtual_addresses: &'a [IpAddr]) -> PortOptions<'a> {
        PortOptions {
            interface: &self.config.interface,
            family: self.family(),
            peers: &self.config.peers,
            source: self.config.source,
            virtual_addresses,
        }
    }

    /// Starts to send from the virtual MAC address, once its interface is there.
    pub(super) fn speak(&mut self) {
        if !self.config.virtual_mac || self.config.priority == Priority::OWNER {
            return;
        }
        let macvlan = self.macvlan();
        let Some(mut port) = self.port.take() else { return };
        match port.speak_by(&macvlan, self.port_options(&self.addresses)) {
            Ok(()) => {
                self.work_faults.remove(&Work::Speaking);
            }
            Err(error) => {
                self.work_faults.insert(Work::Speaking, error.to_string());
            }
        }
        self.port = Some(port);
    }
}
