//! Repairs this gateway's own rows, and detects another writer that keeps changing them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gateway_ovsdb::Operation;

use crate::vtep::{
    Identity, Mirror, Own, Registration,
    conflicts::{Conflicts, Write},
    register,
};

/// Time for which this gateway's own rows have to stay correct before another writer that kept undoing them counts as
/// gone.
const SETTLED: Duration = Duration::from_secs(60);

/// State of this gateway's own rows.
#[derive(Debug)]
pub(super) struct OwnRows {
    /// Parts that another writer keeps changing.
    conflicts: Conflicts<Own>,
    /// Parts that the last transaction repairs.
    repaired: Vec<Own>,
    /// Wrong values of columns, as last seen.
    rival: BTreeMap<Own, String>,
}

impl Default for OwnRows {
    fn default() -> Self {
        Self { conflicts: Conflicts::new(SETTLED), repaired: Vec::new(), rival: BTreeMap::new() }
    }
}

impl OwnRows {
    /// Returns the operations that repair the rows; none if they are correct, or left to another writer.
    pub(super) fn repair(&mut self, identity: &Identity, mirror: &Mirror, now: Duration) -> Vec<Operation> {
        let conflicts = &self.conflicts;
        let registration = register(identity, mirror, |own| conflicts.is_lost(&own));
        let Registration { operations, done, left } = registration;
        left.iter().for_each(|own| self.conflicts.still(own, now));
        self.conflicts.prune(now);
        for own in left.iter().chain(&done) {
            if let Some(found) = found(identity, mirror, *own) {
                self.rival.insert(*own, found);
            }
        }
        self.repaired = done;
        operations
    }

    /// Records that the last transaction was done at `now`. Returns the factor by which to prolong the interval until
    /// the next one: it grows while another writer undoes the repairs.
    pub(super) fn done(&mut self, now: Duration) -> u32 {
        let repaired = std::mem::take(&mut self.repaired);
        repaired.into_iter().for_each(|own| self.conflicts.done(own, Write::Set, now));
        1 << self.conflicts.undone().min(5)
    }

    /// Repairs again all that was left to another writer.
    pub(super) fn insist(&mut self) {
        self.conflicts.clear();
    }

    /// Returns the time at which a part that was left to another writer may count as this gateway's again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.conflicts.deadline()
    }

    /// Returns the parts that are left to another writer, each with its wrong value if it is a column.
    pub(super) fn lost(&self) -> impl Iterator<Item = (Own, &str)> {
        self.conflicts.lost().map(|own| (*own, self.rival.get(own).map_or("", String::as_str)))
    }
}

/// Returns the value of a column of this gateway's row.
fn found(identity: &Identity, mirror: &Mirror, own: Own) -> Option<String> {
    let Own::Column(column) = own else { return None };
    let (_, row) = mirror.physical_switch(&identity.name)?;
    let list = |ips: &BTreeSet<String>| ips.iter().cloned().collect::<Vec<_>>().join(" ");
    Some(match column {
        "tunnel_ips" => list(&row.tunnel_ips),
        "management_ips" => list(&row.management_ips),
        _ => row.description.clone(),
    })
}
