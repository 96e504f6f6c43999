//! State-sync client: publishes learned stations and bindings to the other nodes and receives theirs, in the form that
//! [`gateway_ha::peers`] carries.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use gateway_common::fdb::FdbKey;
use gateway_config::{Config, rows::Rows};
use gateway_ha::{
    VirtualRouterStatus,
    peers::{Bound, Callers, Description, Followed, Keys, Local, Peers, Remote, RouterDescription},
};
use gateway_netdev::underlay::Snapshot;
use gateway_vrrp::{Time, Vrid};

use super::{outgoing::Outgoing, stations::LearnedStations};

/// Minimum interval between two publications of stations, so that a burst of learning is sent at once.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Interfaces by name, with their indices.
pub(super) type Ports = BTreeMap<String, u32>;

/// Connection of this node to the others.
pub(super) struct StateSync {
    peers: Peers,
    host: String,
    /// Published description of this node.
    description: Description,
    received: Arc<Followed>,
    ports: Arc<Ports>,
    /// Published stations of this node.
    outgoing: Outgoing,
    /// Time of the next publication.
    due: Option<Time>,
}

impl StateSync {
    /// Makes a client that has received nothing yet.
    pub(super) fn new(peers: Peers, host: String) -> Self {
        let description = Description::default();
        let (received, ports, outgoing) = (Arc::default(), Arc::default(), Outgoing::default());
        Self { peers, host, description, received, ports, outgoing, due: None }
    }

    /// Takes over the bindings and their places, the numbers of programmed bindings by lease, and the nodes that may
    /// connect.
    pub(super) fn update(&mut self, config: &Config, rows: &Rows, able: &BTreeMap<u32, u32>, underlay: &Snapshot) {
        let ports: Ports = underlay.links.iter().map(|(name, link)| (name.clone(), link.ifindex)).collect();
        if *self.ports != ports {
            self.outgoing.name(ports.iter().map(|(name, ifindex)| (*ifindex, Arc::from(name.as_str()))).collect());
            self.ports = Arc::new(ports);
        }
        let mut new = description(&self.host, config, rows, able);
        for (vrid, router) in &mut new.routers {
            router.misled = self.description.routers.get(vrid).map_or(0, |old| old.misled);
        }
        self.description = new;
        self.peers.local(self.description.clone());
        let routers = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref());
        let keys = routers.filter_map(|vrrp| Some((vrrp.vrid, &vrrp.auth.as_ref()?.settings)));
        self.peers.authenticate(Keys::new(keys));
        self.peers.allow(callers(config));
    }

    /// Asks the active node to announce the addresses again, because packets for it arrive here.
    pub(super) fn request_announcement(&mut self, vrid: Vrid) {
        if let Some(router) = self.description.routers.get_mut(&vrid) {
            router.misled = router.misled.wrapping_add(1);
            self.peers.local(self.description.clone());
        }
    }

    /// Takes over the states of the virtual routers.
    pub(super) fn roles(&mut self, statuses: &[VirtualRouterStatus], config: &Config) {
        for one in statuses {
            let active = one.status.active;
            let remote = |address| Remote { address, scope: self.scope(config, one.vrid, address), from: one.source };
            self.peers.follow(one.vrid, active.map(remote));
        }
        let sources = statuses.iter().filter_map(|one| Some((one, one.source?)));
        let listen = sources.map(|(one, address)| Local { address, scope: self.scope(config, one.vrid, address) });
        self.peers.listen(listen.collect());
    }

    /// Returns the interface of a virtual router, where an address alone does not identify its interface.
    fn scope(&self, config: &Config, vrid: Vrid, address: IpAddr) -> u32 {
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut routers = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref());
        let interface = routers.find(|vrrp| vrrp.vrid == vrid).map(|vrrp| &vrrp.interface).filter(|_| link_local);
        interface.and_then(|name| self.ports.get(name)).copied().unwrap_or(0)
    }

    /// Notes stations that have changed here.
    pub(super) fn changed(&mut self, changed: &BTreeSet<FdbKey>, now: Time) {
        self.outgoing.note(changed);
        self.publish_soon(now);
    }

    /// Schedules a call of [publish](Self::publish).
    pub(super) fn publish_soon(&mut self, now: Time) {
        self.due.get_or_insert(now + PUBLISH_EVERY);
    }

    /// Returns the time at which to [publish](Self::publish).
    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Publishes the stations of `known` that were learned here to other nodes, in the logical switches of the leases
    /// `active`. `leases` has the leases of logical switches by VNI. For those of the virtual routers `vrids` that are
    /// not active here, it publishes none.
    pub(super) fn publish(
        &mut self,
        known: &LearnedStations,
        leases: BTreeMap<u32, u32>,
        active: &BTreeSet<u32>,
        vrids: impl Iterator<Item = Vrid>,
    ) {
        self.due = None;
        self.outgoing.update(known, leases, active);
        for vrid in vrids {
            self.peers.stations(vrid, self.outgoing.of(vrid.get().into()).cloned());
        }
    }

    /// Takes over the state received from other nodes.
    pub(super) fn receive(&mut self, received: Arc<Followed>) {
        self.received = received;
    }

    /// Returns the interfaces of this node. The value stays the same while they do.
    pub(super) const fn ports(&self) -> &Arc<Ports> {
        &self.ports
    }

    /// Returns the state of other nodes, as received.
    pub(super) fn received(&self) -> &Followed {
        &self.received
    }
}

/// Returns the nodes that may connect: those that are named, or, with multicast VRRP, all neighbours.
fn callers(config: &Config) -> Callers {
    let routers: Vec<_> = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref()).collect();
    if routers.iter().any(|vrrp| vrrp.peers.is_empty()) {
        return Callers::Neighbours;
    }
    Callers::Only(routers.iter().flat_map(|vrrp| vrrp.peers.iter().copied()).collect())
}

fn description(host: &str, config: &Config, rows: &Rows, able: &BTreeMap<u32, u32>) -> Description {
    let routers = config.instances.iter().enumerate().filter_map(|(index, instance)| {
        let vrrp = instance.vrrp.as_ref()?;
        let switches = rows.switches.iter().filter(|(_, switch)| switch.instance == index);
        let bindings = switches.flat_map(|(name, switch)| {
            let name: Arc<str> = Arc::from(name.as_str());
            let bound = switch.bindings.iter();
            bound.map(move |(port, vlan)| Bound { port: port.as_str().into(), vlan: *vlan, switch: Arc::clone(&name) })
        });
        let description = RouterDescription {
            switch: instance.switch.clone().unwrap_or_default(),
            tunnel_ips: instance.vteps.iter().collect(),
            bindings: Arc::new(bindings.collect()),
            able: Some(able.get(&instance.lease()).copied().unwrap_or(0)),
            misled: 0,
        };
        Some((vrrp.vrid, description))
    });
    Description { node: host.to_owned(), routers: routers.collect() }
}
