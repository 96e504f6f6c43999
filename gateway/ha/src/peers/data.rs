//! Data that nodes send each other about themselves.

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
    /// Its logical switch.
    pub vni: Vni,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its access port.
    pub port: Arc<str>,
    /// Its VLAN on that port.
    pub vlan: VlanId,
    /// The IP address it announced last.
    pub ip: Option<IpAddr>,
}

/// The stations of one virtual router. The value costs nothing to copy, and little to compare with a copy that was
/// changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stations(SharedMap<(Vni, MacAddr), Place>);

/// Location and IP address of a station.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    port: Arc<str>,
    vlan: VlanId,
    ip: Option<IpAddr>,
}

/// Differences between two versions of [`Stations`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Stations that were added, or have changed.
    pub there: Vec<Station>,
    /// Stations that were removed, or have changed, with their old values.
    pub gone: Vec<Station>,
}

impl Stations {
    /// Returns the number of stations.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if both are the same value, without a change since one was copied from the other.
    pub fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    /// Adds a station, and replaces the one with this MAC.
    pub fn insert(&mut self, station: Station) {
        let Station { vni, mac, port, vlan, ip } = station;
        self.0.insert((vni, mac), Place { port, vlan, ip });
    }

    /// Removes the station with this MAC, wherever it is.
    pub fn remove(&mut self, vni: Vni, mac: MacAddr) {
        self.0.remove(&(vni, mac));
    }

    /// Removes a station if it is there with exactly these values.
    pub(super) fn withdraw(&mut self, station: &Station) {
        let key = (station.vni, station.mac);
        let Station { port, vlan, ip, .. } = station;
        if self.0.get(&key).is_some_and(|place| (&place.port, &place.vlan, &place.ip) == (port, vlan, ip)) {
            self.0.remove(&key);
        }
    }

    /// Returns all stations, sorted by VNI and MAC.
    pub fn iter(&self) -> impl Iterator<Item = Station> {
        self.0.iter().map(|(key, place)| station(key, place))
    }

    /// Returns the stations after this VNI and MAC.
    pub(super) fn after(&self, key: &(Vni, MacAddr)) -> impl Iterator<Item = Station> {
        self.0.after(key).map(|(key, place)| station(key, place))
    }

    /// Returns the changes since `before`. The cost is proportional to the number of changes if one was copied from the
    /// other.
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

/// VLAN of an access port, and its logical switch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    /// The access port.
    pub port: Arc<str>,
    /// The VLAN.
    pub vlan: VlanId,
    /// Name of the logical switch.
    pub switch: Arc<str>,
}

/// A virtual router as configured on one of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterDescription {
    /// Name of its physical switch.
    pub switch: String,
    /// Its tunnel addresses.
    pub tunnel_ips: BTreeSet<IpAddr>,
    /// Its bindings.
    pub bindings: Arc<BTreeSet<Bound>>,
    /// Number of bindings that it forwards or could forward; `None`: its release does not report it.
    pub able: Option<u32>,
    /// Number of times that it has found packets for the active node arriving at itself. Each change of this number
    /// requests the active node to announce the addresses again.
    pub misled: u32,
}

/// Description of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its host name.
    pub node: String,
    /// The virtual routers it takes part in.
    pub routers: BTreeMap<Vrid, RouterDescription>,
}

/// Location of the active node of a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Its address according to VRRP.
    pub address: IpAddr,
    /// Index of the interface for a link-local IPv6 address, else 0.
    pub scope: u32,
    /// The source address of this node, which is the one that the other node knows. `None`: the kernel chooses.
    pub from: Option<IpAddr>,
}

/// An address of this node at which it can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Local {
    /// The address.
    pub address: IpAddr,
    /// Index of the interface for a link-local IPv6 address, else 0.
    pub scope: u32,
}

/// A connected node, and the bindings that it could forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Able {
    /// Its name.
    pub node: String,
    /// Number of bindings; `None`: not reported.
    pub bindings: Option<u32>,
}

/// Data received from the other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Stations that the active node of each virtual router has learned. The data of a node that has gone or is no
    /// longer active stays until another active node sends its own.
    pub stations: BTreeMap<Vrid, Stations>,
    /// Connected active nodes, by virtual router.
    pub active: BTreeMap<Vrid, String>,
    /// Connected nodes that follow this one, by virtual router and address. They could take over with the stations that
    /// this node has learned.
    pub standbys: BTreeMap<Vrid, BTreeMap<IpAddr, String>>,
    /// These nodes and the active ones, by virtual router and address, with the bindings that they could forward.
    pub able: BTreeMap<Vrid, BTreeMap<IpAddr, Able>>,
    /// Number of requests since the start, from nodes that follow this one, to announce addresses again.
    pub misled: BTreeMap<Vrid, u64>,
    /// Problems in words: nodes that can't be reached, and differences between two nodes.
    pub problems: BTreeSet<String>,
}
