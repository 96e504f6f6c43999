//! What nodes tell each other of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::net::{MacAddr, VlanId, Vni};
use gateway_vrrp::Vrid;

use super::shared_map::SharedMap;

/// A station that a node has learned behind an access port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station {
    /// The logical switch it is in.
    pub vni: Vni,
    /// Its address.
    pub mac: MacAddr,
    /// The access port it is behind.
    pub port: Arc<str>,
    /// Its VLAN there.
    pub vlan: VlanId,
    /// The IP address it announced last.
    pub ip: Option<IpAddr>,
}

/// The stations of one virtual router: a value that costs nothing to copy, and little to compare with a copy that was
/// changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stations(SharedMap<(Vni, MacAddr), Place>);

/// Where a station is, and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    port: Arc<str>,
    vlan: VlanId,
    ip: Option<IpAddr>,
}

/// What one version of [`Stations`] has otherwise than another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Stations that are there, or are there otherwise.
    pub there: Vec<Station>,
    /// Stations that are there no longer, or are there otherwise, as they were.
    pub gone: Vec<Station>,
}

impl Stations {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if both are one value, without a change since one was copied from the other.
    pub fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    /// Adds a station, in the place of the one with this MAC.
    pub fn insert(&mut self, station: Station) {
        let Station { vni, mac, port, vlan, ip } = station;
        self.0.insert((vni, mac), Place { port, vlan, ip });
    }

    /// Removes the station with this MAC, wherever it is.
    pub fn remove(&mut self, vni: Vni, mac: MacAddr) {
        self.0.remove(&(vni, mac));
    }

    /// Removes a station if it is there exactly so.
    pub(super) fn withdraw(&mut self, station: &Station) {
        let key = (station.vni, station.mac);
        let Station { port, vlan, ip, .. } = station;
        if self.0.get(&key).is_some_and(|place| (&place.port, &place.vlan, &place.ip) == (port, vlan, ip)) {
            self.0.remove(&key);
        }
    }

    /// All of them, sorted by VNI and MAC.
    pub fn iter(&self) -> impl Iterator<Item = Station> {
        self.0.iter().map(|(key, place)| station(key, place))
    }

    /// Those behind the one with this VNI and MAC.
    pub(super) fn after(&self, key: &(Vni, MacAddr)) -> impl Iterator<Item = Station> {
        self.0.after(key).map(|(key, place)| station(key, place))
    }

    /// What is otherwise than in `before`. Costs as much as there are changes if one was copied from the other.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let mut changes = Changes::default();
        self.0.differences(&before.0, |key, before, now| {
            changes.gone.extend(before.map(|place| station(key, place)));
            changes.there.extend(now.map(|place| station(key, place)));
        });
        changes
    }
}

impl FromIterator<Station> for Stations {
    fn from_iter<I: IntoIterator<Item = Station>>(all: I) -> Self {
        let mut stations = Self::default();
        all.into_iter().for_each(|station| stations.insert(station));
        stations
    }
}

fn station(key: &(Vni, MacAddr), place: &Place) -> Station {
    let Place { port, vlan, ip } = place.clone();
    Station { vni: key.0, mac: key.1, port, vlan, ip }
}

/// A VLAN of an access port, and the logical switch it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    /// The access port.
    pub port: Arc<str>,
    /// The VLAN.
    pub vlan: VlanId,
    /// Name of the logical switch.
    pub switch: Arc<str>,
}

/// A virtual router, as one of its nodes has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Name of its physical switch.
    pub switch: String,
    /// Its tunnel addresses.
    pub tunnel_ips: BTreeSet<IpAddr>,
    /// Its bindings.
    pub bindings: Arc<BTreeSet<Bound>>,
    /// How many bindings it forwards, or could; `None`: it is of a release that does not say.
    pub able: Option<u32>,
    /// How often it has found that packets for the active node still come to it. Whenever it is another number, it asks the
    /// active node to announce the addresses again.
    pub misled: u32,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its host name.
    pub node: String,
    /// The virtual routers it takes part in.
    pub instances: BTreeMap<Vrid, Instance>,
}

/// Where the active node of a virtual router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Its address, as VRRP has it.
    pub address: IpAddr,
    /// For a link-local IPv6 address the index of the interface, else 0.
    pub scope: u32,
    /// This node's address to call from, that which the other node knows it by; where there is none, the kernel's choice.
    pub from: Option<IpAddr>,
}

/// An address of this node, to be called at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Local {
    /// The address.
    pub address: IpAddr,
    /// For a link-local IPv6 address the index of the interface, else 0.
    pub scope: u32,
}

/// A connected node, and what it could forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Able {
    /// Its name.
    pub node: String,
    /// How many bindings; `None`: it has not said.
    pub bindings: Option<u32>,
}

/// What the other nodes have told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Stations that the active node of each virtual router has learned. What a node has told that is gone since, or
    /// active no more, stays until another active node tells.
    pub stations: BTreeMap<Vrid, Stations>,
    /// Connected active nodes, by virtual router.
    pub active: BTreeMap<Vrid, String>,
    /// Connected nodes that follow this one, by virtual router and address: who could take over, and with what this node
    /// has learned.
    pub standbys: BTreeMap<Vrid, BTreeMap<IpAddr, String>>,
    /// The same nodes and the active ones, by virtual router and address, and what they could forward.
    pub able: BTreeMap<Vrid, BTreeMap<IpAddr, Able>>,
    /// How often nodes that follow this one have asked, since its start, that addresses be announced again.
    pub misled: BTreeMap<Vrid, u64>,
    /// What is wrong, for people: nodes that can't be reached, and what two nodes have differently.
    pub problems: BTreeSet<String>,
}
