//! Compares single stations and flood members with the tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gateway_common::net::Vni;
use gateway_config::rows::{Location, Rows};
use gateway_ovsdb::Uuid;

use super::{
    address_limit::AddressLimit,
    batch::Batch,
    learned::Learned,
    owner::{Owner, Owners},
};
use crate::vtep::{
    Mapping, Mirror, Station,
    conflicts::{Conflicts, Write},
    rows::Ucast,
    schedule::Schedule,
    tables,
};

/// Time for which a row is left to another writer that keeps undoing it.
const LEFT: Duration = Duration::from_secs(300);

/// Input of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    /// Contents of the database.
    pub mirror: &'v Mirror,
    /// Mapping of the contents.
    pub mapping: &'v Mapping,
    /// Rows in force.
    pub rows: &'v Rows,
}

/// Row that can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Published {
    /// The row of a station.
    Station(Station),
    /// The row that makes other VTEPs send unknown destinations here.
    Flood(Uuid),
}

/// Results of comparisons, besides the operations.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// Writes of the transaction, for the count of repeated ones.
    pub(super) writes: Vec<(Published, Write)>,
    /// Stations whose address is written.
    pub(super) addresses: Vec<Station>,
    /// Rows to compare again later.
    pub(super) later: Vec<(Published, Duration)>,
}

/// Comparison of wanted rows with the tables, at one time.
pub(super) struct Comparison<'p> {
    pub(super) view: View<'p>,
    pub(super) now: Duration,
    pub(super) owners: &'p Owners,
    pub(super) learned: &'p Learned,
    /// Switches that forward here.
    pub(super) bound: &'p BTreeMap<Uuid, Vni>,
    pub(super) addresses: &'p AddressLimit,
    /// Rows that are compared again later.
    pub(super) later: &'p Schedule<Published>,
    pub(super) conflicts: &'p Conflicts<Published>,
}

impl Comparison<'_> {
    /// Reconciles the rows of `Ucast_Macs_Local` of a station.
    pub(super) fn station(&self, station: Station, batch: &mut Batch<'_>, results: &mut Results) {
        let (uuid, mac) = station;
        let wanted = self.bound.get(&uuid).and_then(|vni| self.learned.address(*vni, mac));
        let wanted = wanted.filter(|_| !self.is_remote(station));
        let what = Published::Station(station);
        if self.is_left(&what) {
            return;
        }
        let mut kept = None;
        let mut taken = false;
        let mut rows: Vec<_> = self.view.mirror.local.of(station).collect();
        rows.sort_unstable_by_key(|(uuid, _)| *uuid);
        for (row, found) in rows {
            match self.owners.of(self.view.mirror.locators.get(&found.locator)) {
                Owner::Current if wanted.is_some() && kept.is_none() => kept = Some((row, found)),
                // A duplicate row is deleted.
                Owner::Current | Owner::Former => {
                    batch.delete(tables::UCAST_MACS_LOCAL, row);
                    taken = true;
                }
                Owner::Other => {}
            }
        }
        match (wanted, kept) {
            (Some(ip), None) => {
                batch.insert_station(station, ip);
                results.writes.push((what, Write::Set));
                results.addresses.extend(ip.map(|_| station));
            }
            (Some(ip), Some((row, Ucast { ip: known, .. }))) if ip != known => {
                match self.addresses.wait(&station, self.now) {
                    Some(due) => results.later.push((what, due)),
                    None => {
                        batch.set_ip(row, ip);
                        results.addresses.push(station);
                    }
                }
            }
            (None, _) if taken => results.writes.push((what, Write::Delete)),
            _ => {}
        }
        self.leave(what, results);
    }

    /// Reconciles the row of `Mcast_Macs_Local` that makes other VTEPs send unknown destinations here.
    pub(super) fn flood_member(&self, uuid: Uuid, batch: &mut Batch<'_>, results: &mut Results) {
        let what = Published::Flood(uuid);
        if self.is_left(&what) {
            return;
        }
        let mirror = self.view.mirror;
        let wanted = self.bound.contains_key(&uuid);
        let (mut kept, mut taken) = (false, false);
        for (row, found) in mirror.mcast_local.unknown(uuid) {
            let owners: BTreeSet<Owner> =
                mirror.members(found).map(|(_, locator)| self.owners.of(Some(locator))).collect();
            let current = owners.contains(&Owner::Current);
            if wanted && current && !kept {
                kept = true;
            } else if !owners.is_empty() && !owners.contains(&Owner::Other) {
                batch.delete(tables::MCAST_MACS_LOCAL, row);
                taken = true;
            }
        }
        if wanted && !kept {
            batch.insert_flood_member(uuid);
            results.writes.push((what, Write::Set));
        } else if !wanted && taken {
            results.writes.push((what, Write::Delete));
        }
        self.leave(what, results);
    }

    /// Returns true if a row is left to another writer for now.
    fn is_left(&self, what: &Published) -> bool {
        self.later.due(what).is_some_and(|due| due > self.now) && self.conflicts.is_lost(what)
    }

    /// Leaves a row that is lost to another writer. One more attempt is made now, and the next one only after a while.
    fn leave(&self, what: Published, results: &mut Results) {
        if self.conflicts.is_lost(&what) {
            results.later.push((what, self.now + LEFT));
        }
    }

    /// Returns true if a station is behind another VTEP: by the rows of the controller, or by the rows still in force.
    fn is_remote(&self, station: Station) -> bool {
        let View { mirror, mapping, rows } = self.view;
        let (uuid, mac) = station;
        let elsewhere = |row: &Ucast| self.owners.of(mirror.locators.get(&row.locator)) == Owner::Other;
        let name = mapping.name(uuid);
        let in_force = name.and_then(|name| rows.switches.get(name)).and_then(|switch| switch.macs.get(&mac));
        mirror.remote.of(station).any(|(_, row)| elsewhere(&row)) || matches!(in_force, Some(Location::Remote(_)))
    }
}
