//! Stations that this node publishes to other nodes, updated by changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gateway_common::{
    fdb::FdbKey,
    net::{MacAddr, VlanId, Vni},
};
use gateway_ha::peers::{Station, Stations};

use super::stations::{Known, LearnedStations};

/// Stations of each lease that this node is active for, and the changes that are not applied yet. The cost of a change
/// does not depend on the number of stations. All of them are read only when this node becomes active, or when
/// interfaces or the leases of logical switches have changed.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    published: BTreeMap<u32, Stations>,
    changed: BTreeSet<FdbKey>,
    /// Names of interfaces by index.
    ports: BTreeMap<u32, Arc<str>>,
    /// Leases of logical switches by VNI.
    leases: BTreeMap<u32, u32>,
}

impl Outgoing {
    /// Notes stations that have come, gone or changed.
    pub(super) fn note(&mut self, changed: &BTreeSet<FdbKey>) {
        self.changed.extend(changed);
    }

    /// Takes over the names of interfaces.
    pub(super) fn name(&mut self, ports: BTreeMap<u32, Arc<str>>) {
        if self.ports != ports {
            self.ports = ports;
            self.published.clear();
        }
    }

    /// Updates the published stations from `known`, with the leases of logical switches by VNI. This node is active for
    /// the leases `active`.
    pub(super) fn update(&mut self, known: &LearnedStations, leases: BTreeMap<u32, u32>, active: &BTreeSet<u32>) {
        if self.leases != leases {
            self.leases = leases;
            self.published.clear();
        }
        self.published.retain(|lease, _| active.contains(lease));
        for key in std::mem::take(&mut self.changed) {
            let Some(vni) = Vni::new(key.vni) else { continue };
            let Some(stations) = self.leases.get(&key.vni).and_then(|lease| self.published.get_mut(lease)) else {
                continue;
            };
            match known.get(&key).and_then(|known| station(&self.ports, &key, known)) {
                Some(station) => stations.insert(station),
                None => stations.remove(vni, MacAddr(key.mac)),
            }
        }
        for lease in active {
            if !self.published.contains_key(lease) {
                let of_lease = known.iter().filter(|(key, _)| self.leases.get(&key.vni) == Some(lease));
                let all = of_lease.filter_map(|(key, known)| station(&self.ports, key, known)).collect();
                self.published.insert(*lease, all);
            }
        }
    }

    /// Returns the published stations of a lease; `None` if this node is not active for it.
    pub(super) fn of(&self, lease: u32) -> Option<&Stations> {
        self.published.get(&lease)
    }
}

fn station(ports: &BTreeMap<u32, Arc<str>>, key: &FdbKey, known: &Known) -> Option<Station> {
    let (vni, vlan) = (Vni::new(key.vni)?, VlanId::new(known.at.vlan)?);
    let port = Arc::clone(ports.get(&known.at.ifindex)?);
    Some(Station { vni, mac: MacAddr(key.mac), port, vlan, ip: known.ip })
}

#[cfg(test)]
mod tests {
    use gateway_common::binding::BindingKey;
    use proptest::prelude::*;

    use super::*;

    const SWITCHES: u32 = 4;

    fn key(number: u32) -> FdbKey {
        let [_, _, a, b] = number.to_be_bytes();
        FdbKey::new(1 + number % SWITCHES, [2, 0, 0, 0, a, b])
    }

    fn known(port: u32, ip: Option<u8>) -> Known {
        let at = BindingKey { ifindex: port, vlan: 100, reserved: 0 };
        Known { at, ip: ip.map(|last| [10, 0, 0, last].into()) }
    }

    fn names(names: &[(u32, &str)]) -> BTreeMap<u32, Arc<str>> {
        names.iter().map(|(ifindex, name)| (*ifindex, (*name).into())).collect()
    }

    /// Assigns leases 1 and 2 to the logical switches in turn, moved on by `shift` logical switches.
    fn leases(shift: u32) -> BTreeMap<u32, u32> {
        (1..=SWITCHES).map(|vni| (vni, 1 + (vni + shift) % 2)).collect()
    }

    #[test]
    fn a_learned_mac_is_one_change_for_other_nodes_however_many_there_are() {
        for many in [10, 1000, 20_000] {
            let mut all: LearnedStations = (0..many).map(|number| (key(number), known(1, None))).collect();
            let mut outgoing = Outgoing::default();
            outgoing.name(names(&[(1, "eth1")]));
            outgoing.update(&all, leases(0), &[1, 2].into());
            for number in many..many + 100 {
                let before = outgoing.published.clone();
                all.insert(key(number), known(1, None));
                outgoing.note(&[key(number)].into());
                outgoing.update(&all, leases(0), &[1, 2].into());
                let changes: Vec<_> =
                    before.iter().map(|(lease, before)| outgoing.of(*lease).unwrap().changes_since(before)).collect();
                let published: Vec<MacAddr> =
                    changes.iter().flat_map(|changes| &changes.there).map(|station| station.mac).collect();
                assert_eq!(published, [MacAddr(key(number).mac)], "of {many}");
                assert!(changes.iter().all(|changes| changes.gone.is_empty()));
                let untouched = before.iter().filter(|(lease, before)| outgoing.of(**lease).unwrap().is(before));
                assert_eq!(untouched.count(), 1, "the other lease is as it was");
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Change(u32, Option<Known>),
        Active(BTreeSet<u32>),
        Leases(u32),
        Rename(bool),
        Publish,
    }

    fn step() -> impl Strategy<Value = Step> {
        let there = (1..4u32, prop::option::of(0..3u8)).prop_map(|(port, ip)| known(port, ip));
        prop_oneof![
            8 => (0..30u32, prop::option::of(there)).prop_map(|(number, known)| Step::Change(number, known)),
            1 => prop::collection::btree_set(1..3u32, 0..3).prop_map(Step::Active),
            1 => (0..2u32).prop_map(Step::Leases),
            1 => any::<bool>().prop_map(Step::Rename),
            4 => Just(Step::Publish),
        ]
    }

    proptest! {
        /// Updating by changes gives the same result as publishing all stations again.
        #[test]
        fn changes_add_up_to_all(steps in prop::collection::vec(step(), 0..150)) {
            let mut all = LearnedStations::new();
            let (mut active, mut shift, mut ports) = (BTreeSet::from([1]), 0, names(&[(1, "eth1"), (2, "eth2")]));
            let mut outgoing = Outgoing::default();
            outgoing.name(ports.clone());
            for step in steps.into_iter().chain([Step::Publish]) {
                match step {
                    Step::Change(number, known) => {
                        all.remove(&key(number));
                        all.extend(known.map(|known| (key(number), known)));
                        outgoing.note(&[key(number)].into());
                    }
                    Step::Active(now) => active = now,
                    Step::Leases(now) => shift = now,
                    Step::Rename(swapped) => {
                        ports = names(if swapped { &[(1, "eth2"), (2, "eth1")] } else { &[(1, "eth1"), (2, "eth2")] });
                        outgoing.name(ports.clone());
                    }
                    Step::Publish => {
                        outgoing.update(&all, leases(shift), &active);
                        let mut afresh = Outgoing::default();
                        afresh.name(ports.clone());
                        afresh.update(&all, leases(shift), &active);
                        prop_assert_eq!(&outgoing.published, &afresh.published);
                        prop_assert!(outgoing.published.keys().eq(&active));
                    }
                }
            }
        }
    }
}
