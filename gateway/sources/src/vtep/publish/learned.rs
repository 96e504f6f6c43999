//! Stations that were learned behind access ports.

use std::{collections::BTreeMap, net::IpAddr};

use gateway_common::net::{MacAddr, Vni};

/// Station behind an access port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalMac {
    /// VNI of its logical switch.
    pub vni: Vni,
    /// MAC of the station.
    pub mac: MacAddr,
    /// Its address, if it is known.
    pub ip: Option<IpAddr>,
}

/// Learned stations. They are unknown until the first are reported: the rows that an earlier run has published stay
/// until then.
#[derive(Debug, Default)]
pub(super) struct Learned(Option<BTreeMap<(Vni, MacAddr), Option<IpAddr>>>);

/// Differences between two sets of stations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The stations were unknown before.
    Everything,
    /// These stations were added, removed, or have another address.
    Stations(Vec<(Vni, MacAddr)>),
}

impl Learned {
    /// Returns true once stations were reported.
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Sets the stations, replacing all others. Returns the differences.
    pub(super) fn replace(&mut self, all: impl IntoIterator<Item = LocalMac>) -> Difference {
        let now: BTreeMap<_, _> = all.into_iter().map(|LocalMac { vni, mac, ip }| ((vni, mac), ip)).collect();
        let difference = match &self.0 {
            None => Difference::Everything,
            Some(before) => {
                let gone = before.keys().filter(|key| !now.contains_key(key));
                let come = now.iter().filter(|(key, ip)| before.get(key) != Some(ip)).map(|(key, _)| key);
                Difference::Stations(gone.chain(come).copied().collect())
            }
        };
        self.0 = Some(now);
        difference
    }

    /// Adds a station. Returns true if this is a difference.
    pub(super) fn insert(&mut self, LocalMac { vni, mac, ip }: LocalMac) -> bool {
        self.0.get_or_insert_default().insert((vni, mac), ip) != Some(ip)
    }

    /// Removes a station. Returns true if it was there.
    pub(super) fn remove(&mut self, vni: Vni, mac: MacAddr) -> bool {
        self.0.as_mut().is_some_and(|learned| learned.remove(&(vni, mac)).is_some())
    }

    /// Returns the address of a station, if it has one. `None` if the station was not learned.
    pub(super) fn address(&self, vni: Vni, mac: MacAddr) -> Option<Option<IpAddr>> {
        self.0.as_ref()?.get(&(vni, mac)).copied()
    }

    /// Returns the stations of a logical switch.
    pub(super) fn in_switch(&self, vni: Vni) -> impl Iterator<Item = MacAddr> {
        let all = (vni, MacAddr([0; 6]))..=(vni, MacAddr::BROADCAST);
        self.0.iter().flat_map(move |learned| learned.range(all.clone())).map(|((_, mac), _)| *mac)
    }
}
