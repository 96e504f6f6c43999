//! What this node tells the others of its cluster and hears from them: learned stations and bindings, in the form that
//! [`crate::peers`] carries.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use gateway_common::{
    binding::BindingKey,
    fdb::FdbKey,
    net::{MacAddr, VlanId, Vni},
};
use tokio::time::Instant;

use super::stations::Heard;
use crate::{
    config::Config,
    database::Rows,
    ha::InstanceStatus,
    peers::{Bound, Callers, Description, Followed, Instance, Keys, Local, Peers, Remote, Station},
    underlay::Snapshot,
    vrrp::Vrid,
};

/// Stations are told at most so often: to sum up what is learned in a burst.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// And later by so much for each of them, which is ten times as long as looking one up takes: whoever floods a VLAN with
/// forged sources must not keep the agent at this.
const TELL_EACH: Duration = Duration::from_micros(10);

/// This node's conversation with the others.
pub(super) struct Siblings {
    peers: Peers,
    host: String,
    /// What is told of this node.
    description: Description,
    followed: Arc<Followed>,
    ports: BTreeMap<String, u32>,
    tell: Option<Instant>,
}

impl Siblings {
    /// Nobody has said anything yet.
    pub(super) fn new(peers: Peers, host: String) -> Self {
        let description = Description::default();
        Self { peers, host, description, followed: Arc::default(), ports: BTreeMap::new(), tell: None }
    }

    /// Takes in what is bound where, how many bindings of each lease are programmed, and who may call.
    pub(super) fn update(&mut self, config: &Config, rows: &Rows, able: &BTreeMap<u32, u32>, underlay: &Snapshot) {
        self.ports = underlay.links.iter().map(|(name, link)| (name.clone(), link.ifindex)).collect();
        let mut new = description(&self.host, config, rows, able);
        for (vrid, instance) in &mut new.instances {
            instance.misled = self.description.instances.get(vrid).map_or(0, |old| old.misled);
        }
        self.description = new;
        self.peers.local(self.description.clone());
        let routers = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref());
        let keys = routers.filter_map(|vrrp| Some((vrrp.vrid, &vrrp.auth.as_ref()?.settings)));
        self.peers.authenticate(Keys::new(keys));
        self.peers.allow(callers(config));
    }

    /// Asks the active node to announce the addresses again: packets for it come here.
    pub(super) fn ask(&mut self, vrid: Vrid) {
        if let Some(instance) = self.description.instances.get_mut(&vrid) {
            instance.misled = instance.misled.wrapping_add(1);
            self.peers.local(self.description.clone());
        }
    }

    /// Takes in who is active.
    pub(super) fn roles(&mut self, statuses: &[InstanceStatus], config: &Config) {
        for one in statuses {
            let active = one.status.active;
            let remote = |address| Remote { address, scope: self.scope(config, one.vrid, address), from: one.source };
            self.peers.follow(one.vrid, active.map(remote));
        }
        let sources = statuses.iter().filter_map(|one| Some((one, one.source?)));
        let listen = sources.map(|(one, address)| Local { address, scope: self.scope(config, one.vrid, address) });
        self.peers.listen(listen.collect());
    }

    /// The interface of a virtual router, where an address does not say by itself which one it is on.
    fn scope(&self, config: &Config, vrid: Vrid, address: IpAddr) -> u32 {
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut routers = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref());
        let interface = routers.find(|vrrp| vrrp.vrid == vrid).map(|vrrp| &vrrp.interface).filter(|_| link_local);
        interface.and_then(|name| self.ports.get(name)).copied().unwrap_or(0)
    }

    /// What this node has learned has changed, `count` stations by now, or it is active only now.
    pub(super) fn changed(&mut self, count: usize) {
        let each = TELL_EACH * u32::try_from(count).unwrap_or(u32::MAX);
        self.tell.get_or_insert(Instant::now() + TELL_EVERY + each);
    }

    /// When it is to be [told](Self::tell).
    pub(super) fn due(&self) -> Option<Instant> {
        self.tell
    }

    /// Takes note that what is due is done.
    pub(super) fn told(&mut self) {
        self.tell = None;
    }

    /// Tells the stations that this node has learned as the active one; `None`: it is not.
    pub(super) fn tell(&self, vrid: Vrid, heard: Option<&Heard>) {
        let names: BTreeMap<u32, Arc<str>> =
            self.ports.iter().map(|(name, ifindex)| (*ifindex, Arc::from(name.as_str()))).collect();
        let station = |(key, (at, ip)): (&FdbKey, &(BindingKey, Option<IpAddr>))| {
            let (vni, vlan) = (Vni::new(key.vni)?, VlanId::new(at.vlan)?);
            Some(Station { vni, mac: MacAddr(key.mac), port: Arc::clone(names.get(&at.ifindex)?), vlan, ip: *ip })
        };
        let stations = heard.map(|heard| Arc::new(heard.iter().filter_map(station).collect::<BTreeSet<_>>()));
        self.peers.stations(vrid, stations);
    }

    /// Takes in what others have said.
    pub(super) fn hear(&mut self, followed: Arc<Followed>) {
        self.followed = followed;
    }

    /// The stations that the active node of a virtual router has told, as they would be here.
    pub(super) fn heard(&self, vrid: Vrid) -> Option<Heard> {
        let stations = self.followed.stations.get(&vrid)?;
        let here = |station: &Station| {
            let ifindex = *self.ports.get(&*station.port)?;
            let at = BindingKey { ifindex, vlan: station.vlan.get(), reserved: 0 };
            Some((FdbKey::new(station.vni.get(), station.mac.0), (at, station.ip)))
        };
        Some(stations.iter().filter_map(here).collect())
    }

    /// What the others have said, as it was told.
    pub(super) fn followed(&self) -> &Followed {
        &self.followed
    }
}

/// Who may call: those that are named, or where VRRP is multicast whoever hears it.
fn callers(config: &Config) -> Callers {
    let routers: Vec<_> = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref()).collect();
    if routers.iter().any(|vrrp| vrrp.peers.is_empty()) {
        return Callers::Neighbours;
    }
    Callers::Only(routers.iter().flat_map(|vrrp| vrrp.peers.iter().copied()).collect())
}

fn description(host: &str, config: &Config, rows: &Rows, able: &BTreeMap<u32, u32>) -> Description {
    let instances = config.instances.iter().enumerate().filter_map(|(index, instance)| {
        let vrrp = instance.vrrp.as_ref()?;
        let switches = rows.switches.iter().filter(|(_, switch)| switch.instance == index);
        let bindings = switches.flat_map(|(name, switch)| {
            let name: Arc<str> = Arc::from(name.as_str());
            let bound = switch.bindings.iter();
            bound.map(move |(port, vlan)| Bound { port: port.as_str().into(), vlan: *vlan, switch: Arc::clone(&name) })
        });
        let description = Instance {
            switch: instance.switch.clone().unwrap_or_default(),
            tunnel_ips: instance.vteps.iter().collect(),
            bindings: Arc::new(bindings.collect()),
            able: Some(able.get(&instance.lease()).copied().unwrap_or(0)),
            misled: 0,
        };
        Some((vrrp.vrid, description))
    });
    Description { node: host.to_owned(), instances: instances.collect() }
}
