//! Compact tables `Ucast_Macs_Local` and `Ucast_Macs_Remote`, for a hundred thousand rows.
//!
//! There are far fewer logical switches and locators than stations, so these are interned as numbers. Rows are stored
//! contiguously. Two hash tables of indices find a row by its UUID and by its station.

use std::{
    collections::{BTreeSet, HashMap},
    hash::BuildHasher,
    net::IpAddr,
};

use gateway_base::interner::Interner;
use gateway_common::net::MacAddr;
use gateway_ovsdb::Uuid;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::rows::{Station, Ucast};

/// Rows of one of the two tables.
#[derive(Debug, Default)]
pub(super) struct UcastTable {
    rows: Vec<Held>,
    /// Index from which on the rows were added by the current change.
    known: usize,
    by_uuid: HashTable<u32>,
    /// Index by station. One station can have several rows.
    by_station: HashTable<u32>,
    switches: Interner<Uuid>,
    locators: Interner<Uuid>,
    /// Addresses of stations, by row. Few stations have one that is used.
    ips: HashMap<Uuid, IpAddr>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    uuid: Uuid,
    mac: MacAddr,
    switch: u32,
    locator: u32,
}

impl UcastTable {
    /// Begins a change.
    pub(super) fn begin(&mut self) {
        self.known = self.rows.len();
    }

    /// Inserts a row, or replaces the one with this UUID.
    pub(super) fn put(&mut self, uuid: Uuid, row: Ucast, touched: &mut Vec<Station>) {
        if self.place(&uuid).is_some_and(|place| self.row(place) == row) {
            return;
        }
        self.take(uuid, touched);
        let (switch, locator) = (self.switches.hold(row.switch), self.locators.hold(row.locator));
        let Self { rows, by_uuid, by_station, hasher, .. } = self;
        let place = rows.len() as u32;
        let held = Held { uuid, mac: row.mac, switch, locator };
        rows.push(held);
        by_uuid.insert_unique(hasher.hash_one(uuid), place, |place| hasher.hash_one(rows[*place as usize].uuid));
        by_station.insert_unique(held.hash(hasher), place, |place| rows[*place as usize].hash(hasher));
        if let Some(ip) = row.ip {
            self.ips.insert(uuid, ip);
        }
        touched.push((row.switch, row.mac));
    }

    /// Removes a row, if it exists.
    pub(super) fn take(&mut self, uuid: Uuid, touched: &mut Vec<Station>) {
        let Some(place) = self.place(&uuid) else { return };
        let Ucast { switch, mac, .. } = self.row(place);
        touched.push((switch, mac));
        let held = self.rows[place];
        self.relabel(&held, place, None);
        self.rows.swap_remove(place);
        // The last row has moved to this index.
        if let Some(moved) = self.rows.get(place).copied() {
            self.relabel(&moved, self.rows.len(), Some(place));
        }
        self.known = self.known.min(self.rows.len());
        self.switches.release(held.switch);
        self.locators.release(held.locator);
        self.ips.remove(&uuid);
    }

    /// Records that `held` moved from index `from` to `to`, or was removed.
    fn relabel(&mut self, held: &Held, from: usize, to: Option<usize>) {
        let hashes = [self.hasher.hash_one(held.uuid), held.hash(&self.hasher)];
        for (table, hash) in [&mut self.by_uuid, &mut self.by_station].into_iter().zip(hashes) {
            let Ok(mut entry) = table.find_entry(hash, |place| *place as usize == from) else { continue };
            match to {
                Some(to) => *entry.get_mut() = to as u32,
                None => drop(entry.remove()),
            }
        }
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the rows of one station.
    pub(super) fn of(&self, (switch, mac): Station) -> impl Iterator<Item = (Uuid, Ucast)> + '_ {
        let number = self.switches.number(&switch);
        number.into_iter().flat_map(move |switch| {
            let wanted = Held { uuid: Uuid::ZERO, mac, switch, locator: 0 };
            let places = self.by_station.iter_hash(wanted.hash(&self.hasher)).map(|place| *place as usize);
            let found = places.filter(move |place| {
                let held = &self.rows[*place];
                (held.switch, held.mac) == (switch, mac)
            });
            found.map(|place| (self.rows[place].uuid, self.row(place)))
        })
    }

    /// Returns the stations of these switches, sorted.
    pub(super) fn stations(&self, switches: &BTreeSet<Uuid>) -> BTreeSet<Station> {
        let numbers: HashMap<u32, Uuid> =
            switches.iter().filter_map(|uuid| Some((self.switches.number(uuid)?, *uuid))).collect();
        if numbers.is_empty() {
            return BTreeSet::new();
        }
        self.rows.iter().filter_map(|held| Some((*numbers.get(&held.switch)?, held.mac))).collect()
    }

    /// Returns all stations.
    pub(super) fn all(&self) -> impl Iterator<Item = Station> + '_ {
        self.rows.iter().map(|held| (self.switches.value(held.switch), held.mac))
    }

    /// Adds the stations behind these locators to `touched`. Stations that were added by the current change are already
    /// in it.
    pub(super) fn touch_behind(&self, locators: &BTreeSet<Uuid>, touched: &mut Vec<Station>) {
        let numbers: BTreeSet<u32> = locators.iter().filter_map(|locator| self.locators.number(locator)).collect();
        if numbers.is_empty() {
            return;
        }
        let known = self.rows[..self.known].iter().filter(|held| numbers.contains(&held.locator));
        touched.extend(known.map(|held| (self.switches.value(held.switch), held.mac)));
    }

    fn place(&self, uuid: &Uuid) -> Option<usize> {
        let hash = self.hasher.hash_one(uuid);
        self.by_uuid.find(hash, |place| self.rows[*place as usize].uuid == *uuid).map(|place| *place as usize)
    }

    fn row(&self, place: usize) -> Ucast {
        let Held { uuid, mac, switch, locator } = self.rows[place];
        let ip = if self.ips.is_empty() { None } else { self.ips.get(&uuid).copied() };
        Ucast { mac, switch: self.switches.value(switch), locator: self.locators.value(locator), ip }
    }
}

impl Held {
    /// Returns the hash of the station.
    fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one((self.switch, self.mac))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn uuid(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    #[test]
    fn a_row_takes_few_bytes() {
        assert_eq!(size_of::<Held>(), 32);
    }

    proptest! {
        /// Compares with a map of the standard library. Few rows, stations and locators make collisions likely.
        #[test]
        fn a_table_as_any_other(
            steps in prop::collection::vec((0..12u8, prop::option::of((0..4u8, 0..3u8, 0..3u8, 0..2u8))), 0..100),
        ) {
            let (mut table, mut model) = (UcastTable::default(), BTreeMap::<Uuid, Ucast>::new());
            for (row, content) in steps {
                let mut touched = Vec::new();
                let before = model.get(&uuid(row)).copied();
                table.begin();
                let after = content.map(|(mac, switch, locator, ip)| {
                    let ip = (ip > 0).then(|| [10, 0, 0, ip].into());
                    Ucast { mac: MacAddr([2, 0, 0, 0, 0, mac]), switch: uuid(switch), locator: uuid(locator), ip }
                });
                match after {
                    Some(content) => {
                        table.put(uuid(row), content, &mut touched);
                        model.insert(uuid(row), content);
                    }
                    None => {
                        table.take(uuid(row), &mut touched);
                        model.remove(&uuid(row));
                    }
                }
                let station = |row: &Ucast| (row.switch, row.mac);
                let expected = if before == after { vec![] } else { before.iter().chain(&after).map(station).collect() };
                prop_assert_eq!(touched, expected);
                prop_assert_eq!(table.len(), model.len());
                for (switch, mac) in (0..3).flat_map(|switch| (0..4).map(move |mac| (switch, mac))) {
                    let wanted = (uuid(switch), MacAddr([2, 0, 0, 0, 0, mac]));
                    let expected: BTreeMap<_, _> =
                        model.iter().filter(|(_, row)| station(row) == wanted).map(|(uuid, row)| (*uuid, *row)).collect();
                    prop_assert_eq!(table.of(wanted).collect::<BTreeMap<_, _>>(), expected);
                }
                table.begin();
                let mut behind = Vec::new();
                table.touch_behind(&[uuid(0), uuid(2)].into(), &mut behind);
                let expected = model.values().filter(|row| row.locator != uuid(1)).map(station);
                behind.sort_unstable();
                let mut expected: Vec<_> = expected.collect();
                expected.sort_unstable();
                prop_assert_eq!(behind, expected);
            }
        }
    }
}
