//! Keeps what may differ from the tables, and requests operations until they match.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use gateway_common::net::{MacAddr, Vni};
use gateway_ovsdb::{Operation, Uuid};

use super::{
    address_limit::AddressLimit,
    batch::Batch,
    compare::{Comparison, Published, Results, View},
    learned::{Difference, Learned, LocalMac},
    owner::Owners,
};
use crate::vtep::{Identity, Mirror, Station, Touched, conflicts::Conflicts, schedule::Schedule};

/// Time for which a row has to stay correct after it was lost to another writer, to count as this gateway's.
const SETTLED: Duration = Duration::from_secs(360);

/// Reconciles the local tables with the learned stations.
///
/// A transaction can fail, or its outcome can be unknown. So the publisher keeps the stations and switches that may
/// differ, compares them with the tables, and requests operations for the differences, until they match.
#[derive(Debug)]
pub struct Publisher {
    owners: Owners,
    learned: Learned,
    /// Switches that forward here.
    bound: BTreeMap<Uuid, Vni>,
    by_vni: BTreeMap<Vni, Uuid>,
    /// Stations to compare.
    stations: BTreeSet<Station>,
    /// Switches whose flood member is to be compared.
    switches: BTreeSet<Uuid>,
    /// Last requested operations.
    requested: Requested,
    addresses: AddressLimit,
    /// Stations and switches to compare again later.
    later: Schedule<Published>,
    conflicts: Conflicts<Published>,
}

/// Last requested operations, until their result is reported.
#[derive(Debug, Default)]
struct Requested {
    stations: Vec<Station>,
    switches: Vec<Uuid>,
    results: Results,
}

impl Publisher {
    /// Creates the publisher of the gateway `identity`, with nothing learned yet.
    pub fn new(identity: Identity) -> Self {
        Self {
            owners: Owners::new(identity),
            learned: Learned::default(),
            bound: BTreeMap::new(),
            by_vni: BTreeMap::new(),
            stations: BTreeSet::new(),
            switches: BTreeSet::new(),
            requested: Requested::default(),
            addresses: AddressLimit::default(),
            later: Schedule::default(),
            conflicts: Conflicts::new(SETTLED),
        }
    }

    /// Records addresses that this gateway had before it was started.
    pub(crate) fn was_at(&mut self, former: impl IntoIterator<Item = IpAddr>) {
        self.owners.add_former(former);
    }

    /// Returns the number of rows that another writer keeps undoing, and that are left to it for now.
    pub fn lost(&self) -> usize {
        self.conflicts.lost().len()
    }

    /// Publishes again all that was left to another writer.
    pub(crate) fn insist(&mut self) {
        self.conflicts.clear();
        self.recall(Duration::MAX);
    }

    /// Returns the time at which there may be something to do even without events.
    pub fn deadline(&self) -> Option<Duration> {
        self.later.deadline().into_iter().chain(self.conflicts.deadline()).min()
    }

    /// Compares again the rows that were put off until `now`.
    fn recall(&mut self, now: Duration) {
        while let Some(what) = self.later.pop_due(now) {
            match what {
                Published::Station(station) => drop(self.stations.insert(station)),
                Published::Flood(switch) => drop(self.switches.insert(switch)),
            }
        }
    }

    /// Applies a new identity.
    pub fn reconfigure(&mut self, mirror: &Mirror, identity: Identity) {
        self.owners.reconfigure(identity);
        self.touch_everything(mirror);
    }

    /// Sets the learned stations, replacing all others.
    pub fn replace(&mut self, mirror: &Mirror, learned: impl IntoIterator<Item = LocalMac>) {
        match self.learned.replace(learned) {
            // The rows that an earlier run has published are compared too.
            Difference::Everything => self.touch_everything(mirror),
            Difference::Stations(stations) => {
                stations.into_iter().for_each(|(vni, mac)| self.touch_station(vni, mac));
            }
        }
    }

    /// Adds a learned station.
    pub fn learn(&mut self, station: LocalMac) {
        if self.learned.insert(station) {
            self.touch_station(station.vni, station.mac);
        }
    }

    /// Removes a station.
    pub fn forget(&mut self, vni: Vni, mac: MacAddr) {
        if self.learned.remove(vni, mac) {
            self.touch_station(vni, mac);
        }
    }

    fn touch_station(&mut self, vni: Vni, mac: MacAddr) {
        if let Some(uuid) = self.by_vni.get(&vni) {
            self.stations.insert((*uuid, mac));
        }
    }

    /// Processes a change of the database, `mirror`.
    pub fn touch(&mut self, mirror: &Mirror, touched: &Touched) {
        let remote = touched.remote.iter().filter(|station| self.is_concerned(mirror, station));
        let stations: Vec<Station> = touched.local.iter().chain(remote).copied().collect();
        self.stations.extend(stations);
        self.switches.extend(&touched.mcast_local);
    }

    /// Returns true if a station is published, or has been learned. All others, of which there may be a hundred
    /// thousand, stay unpublished wherever they are.
    fn is_concerned(&self, mirror: &Mirror, station: &Station) -> bool {
        let (uuid, mac) = *station;
        let learned = self.bound.get(&uuid).and_then(|vni| self.learned.address(*vni, mac));
        learned.is_some() || mirror.local.of(*station).next().is_some()
    }

    /// Marks all rows for comparison, as after a lost connection.
    pub(crate) fn touch_everything(&mut self, mirror: &Mirror) {
        self.stations.extend(mirror.local.all());
        self.switches.extend(mirror.mcast_local.switches());
        for (uuid, vni) in &self.bound {
            self.switches.insert(*uuid);
            self.stations.extend(self.learned.in_switch(*vni).map(|mac| (*uuid, mac)));
        }
    }

    /// Returns the next operations, at most `limit`; none if all rows are correct. Their result has to be
    /// [reported](Self::done) before the next call.
    pub fn next(&mut self, view: View<'_>, limit: usize, now: Duration) -> Vec<Operation> {
        self.recall(now);
        self.conflicts.prune(now);
        self.addresses.prune(now);
        self.follow_switches(view);
        let Some(own) = self.owners.published() else { return Vec::new() };
        let Self { owners, learned, bound, addresses, later, conflicts, stations, switches, requested, .. } = self;
        let comparison = Comparison { view, now, owners, learned, bound, addresses, later, conflicts };
        let (mut batch, mut results) = (Batch::new(view.mirror, own), Results::default());
        while batch.len() < limit
            && let Some(switch) = switches.pop_first()
        {
            comparison.flood_member(switch, &mut batch, &mut results);
            requested.switches.push(switch);
        }
        while comparison.learned.is_known()
            && batch.len() < limit
            && let Some(station) = stations.pop_first()
        {
            let before = batch.len();
            comparison.station(station, &mut batch, &mut results);
            if batch.len() > before {
                requested.stations.push(station);
            }
        }
        for (what, due) in results.later.drain(..) {
            self.later.put(what, due);
        }
        self.requested.results = results;
        batch.finish()
    }

    /// Processes the result of the last operations. `done` is true if they are done, and visible in the mirror.
    pub fn done(&mut self, done: bool, now: Duration) {
        let Requested { stations, switches, results } = std::mem::take(&mut self.requested);
        if done {
            results.writes.into_iter().for_each(|(what, write)| self.conflicts.done(what, write, now));
            results.addresses.into_iter().for_each(|station| self.addresses.written(station, now));
        } else {
            self.stations.extend(stations);
            self.switches.extend(switches);
        }
    }

    /// Records the switches that forward here. If this has changed for a switch, all of its stations are compared.
    fn follow_switches(&mut self, view: View<'_>) {
        let forwards = |(uuid, name): (Uuid, &str)| {
            let switch = view.rows.switches.get(name).filter(|switch| !switch.bindings.is_empty())?;
            Some((uuid, switch.vni?))
        };
        let bound: BTreeMap<Uuid, Vni> = view.mapping.names().filter_map(forwards).collect();
        if bound == self.bound {
            return;
        }
        let before = std::mem::replace(&mut self.bound, bound);
        self.by_vni = self.bound.iter().map(|(uuid, vni)| (*vni, *uuid)).collect();
        let mut changed = BTreeSet::new();
        for uuid in before.keys().chain(self.bound.keys()) {
            let now = self.bound.get(uuid);
            if before.get(uuid) == now {
                continue;
            }
            self.switches.insert(*uuid);
            changed.insert(*uuid);
            if let Some(vni) = now {
                self.stations.extend(self.learned.in_switch(*vni).map(|mac| (*uuid, mac)));
            }
        }
        self.stations.extend(view.mirror.local.stations(&changed));
    }
}
