//! Tables of the database, with indices from a row to the rows that refer to it.
//!
//! Each change returns the set of rows that it touches. So the modules that derive state from the rows
//! ([`Mapping`](super::Mapping), [`Publisher`](super::Publisher)) process only those.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use gateway_ovsdb::{Change, RowError, Uuid};

use super::{
    rows::{Counters, Global, Group, Locator, LogicalSwitch, Mcast, PhysicalPort, PhysicalSwitch, Row, Station, Ucast},
    tables,
    ucast::UcastTable,
};

/// Rows of the database.
#[derive(Debug, Default)]
pub struct Mirror {
    pub(super) global: BTreeMap<Uuid, Arc<Global>>,
    pub(super) physical_switches: BTreeMap<Uuid, Arc<PhysicalSwitch>>,
    pub(super) ports: BTreeMap<Uuid, Arc<PhysicalPort>>,
    pub(super) stats: HashMap<Uuid, Counters>,
    pub(super) switches: BTreeMap<Uuid, Arc<LogicalSwitch>>,
    pub(super) locators: HashMap<Uuid, Locator>,
    sets: HashMap<Uuid, Arc<[Uuid]>>,
    /// (locator, set that it is in)
    sets_by_locator: BTreeSet<(Uuid, Uuid)>,
    pub(super) local: UcastTable,
    pub(super) remote: UcastTable,
    pub(super) mcast_local: McastTable,
    pub(super) mcast_remote: McastTable,
    unreadable: BTreeMap<(Arc<str>, Uuid), Arc<RowError>>,
}

/// Rows that a change touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Rows of `Global`, `Physical_Switch` or `Physical_Port`.
    pub physical: bool,
    /// Rows of `Logical_Binding_Stats`.
    pub stats: bool,
    /// Locators, of whatever kind.
    pub locators: bool,
    /// Logical switches whose row or remote flood members are touched.
    pub switches: BTreeSet<Uuid>,
    /// Remote stations, sorted.
    pub remote: Vec<Station>,
    /// Local stations, sorted.
    pub local: Vec<Station>,
    /// Logical switches whose local flood members are touched.
    pub(crate) mcast_local: BTreeSet<Uuid>,
    /// Rows that were added or changed, and do not hold what they should.
    pub unreadable: Vec<Unreadable>,
}

/// Row that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Name of the table.
    pub table: Arc<str>,
    /// Name of the row.
    pub uuid: Uuid,
    /// Error in its contents.
    pub error: Arc<RowError>,
}

impl Mirror {
    /// Applies the changes of one or several transactions.
    pub fn apply(&mut self, changes: Vec<Change<Row>>) -> Touched {
        let mut touched = Touched::default();
        let mut locators = BTreeSet::new();
        self.remote.begin();
        self.local.begin();
        for Change { table, uuid, row } in changes {
            if !self.unreadable.is_empty() {
                self.unreadable.remove(&(Arc::clone(&table), uuid));
            }
            match row {
                Some(Row::Unreadable(error)) => {
                    locators.extend((*table == *tables::PHYSICAL_LOCATOR).then_some(uuid));
                    self.take(&table, uuid, &mut touched);
                    self.unreadable.insert((Arc::clone(&table), uuid), Arc::clone(&error));
                    touched.unreadable.push(Unreadable { table, uuid, error });
                }
                Some(row) => {
                    locators.extend(matches!(row, Row::PhysicalLocator(_)).then_some(uuid));
                    self.put(uuid, row, &mut touched);
                }
                None => {
                    locators.extend((*table == *tables::PHYSICAL_LOCATOR).then_some(uuid));
                    self.take(&table, uuid, &mut touched);
                }
            }
        }
        for (rows, stations) in [(&self.remote, &mut touched.remote), (&self.local, &mut touched.local)] {
            rows.touch_behind(&locators, stations);
            stations.sort_unstable();
            stations.dedup();
        }
        touched
    }

    /// Returns the number of rows that do not hold what they should.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    fn put(&mut self, uuid: Uuid, row: Row, touched: &mut Touched) {
        match row {
            Row::Unreadable(_) => {}
            Row::Global(row) => touched.physical |= changed(self.global.insert(uuid, row.clone()), row),
            Row::PhysicalSwitch(row) => {
                touched.physical |= changed(self.physical_switches.insert(uuid, row.clone()), row);
            }
            Row::PhysicalPort(row) => touched.physical |= changed(self.ports.insert(uuid, row.clone()), row),
            Row::LogicalBindingStats(row) => touched.stats |= changed(self.stats.insert(uuid, row), row),
            Row::LogicalSwitch(row) => {
                self.switches.insert(uuid, row);
                touched.switches.insert(uuid);
            }
            Row::UcastMacsLocal(row) => self.local.put(uuid, row, &mut touched.local),
            // The addresses of remote stations are not used.
            Row::UcastMacsRemote(row) => self.remote.put(uuid, Ucast { ip: None, ..row }, &mut touched.remote),
            Row::McastMacsLocal(row) => self.mcast_local.put(uuid, row, &mut touched.mcast_local),
            Row::McastMacsRemote(row) => self.mcast_remote.put(uuid, row, &mut touched.switches),
            Row::PhysicalLocator(row) => {
                self.locators.insert(uuid, row);
                self.touch_locator(uuid, touched);
            }
            Row::PhysicalLocatorSet(set) => {
                self.take_set(uuid);
                self.sets_by_locator.extend(set.locators.iter().map(|locator| (*locator, uuid)));
                self.sets.insert(uuid, set.locators);
                self.touch_set(uuid, touched);
            }
        }
    }

    fn take(&mut self, table: &str, uuid: Uuid, touched: &mut Touched) {
        match table {
            tables::GLOBAL => touched.physical |= self.global.remove(&uuid).is_some(),
            tables::PHYSICAL_SWITCH => touched.physical |= self.physical_switches.remove(&uuid).is_some(),
            tables::PHYSICAL_PORT => touched.physical |= self.ports.remove(&uuid).is_some(),
            tables::LOGICAL_BINDING_STATS => touched.stats |= self.stats.remove(&uuid).is_some(),
            tables::LOGICAL_SWITCH => {
                self.switches.remove(&uuid);
                touched.switches.insert(uuid);
            }
            tables::UCAST_MACS_LOCAL => self.local.take(uuid, &mut touched.local),
            tables::UCAST_MACS_REMOTE => self.remote.take(uuid, &mut touched.remote),
            tables::MCAST_MACS_LOCAL => self.mcast_local.take(uuid, &mut touched.mcast_local),
            tables::MCAST_MACS_REMOTE => self.mcast_remote.take(uuid, &mut touched.switches),
            tables::PHYSICAL_LOCATOR => {
                self.locators.remove(&uuid);
                self.touch_locator(uuid, touched);
            }
            tables::PHYSICAL_LOCATOR_SET => {
                self.take_set(uuid);
                self.touch_set(uuid, touched);
            }
            _ => {}
        }
    }

    fn take_set(&mut self, uuid: Uuid) {
        for locator in self.sets.remove(&uuid).iter().flat_map(|locators| locators.iter()) {
            self.sets_by_locator.remove(&(*locator, uuid));
        }
    }

    fn touch_locator(&self, uuid: Uuid, touched: &mut Touched) {
        touched.locators = true;
        for (_, set) in self.sets_by_locator.range((uuid, Uuid::ZERO)..).take_while(|(locator, _)| *locator == uuid) {
            self.touch_set(*set, touched);
        }
    }

    fn touch_set(&self, uuid: Uuid, touched: &mut Touched) {
        touched.switches.extend(self.mcast_remote.with(uuid));
        touched.mcast_local.extend(self.mcast_local.with(uuid));
    }

    /// Returns the readable locators of a group row.
    pub(super) fn members(&self, row: &Mcast) -> impl Iterator<Item = (Uuid, &Locator)> {
        let set = self.sets.get(&row.locators).into_iter().flat_map(|set| set.iter());
        set.filter_map(|uuid| Some((*uuid, self.locators.get(uuid)?)))
    }

    /// Returns the row of `Physical_Switch` with this name.
    pub(super) fn physical_switch(&self, name: &str) -> Option<(Uuid, &PhysicalSwitch)> {
        let mut all = self.physical_switches.iter();
        all.find(|(_, row)| row.name == name).map(|(uuid, row)| (*uuid, &**row))
    }

    /// Returns the ports of a physical switch, in an order that is the same in every copy of the database.
    pub(super) fn ports_of(&self, switch: &PhysicalSwitch) -> Vec<(Uuid, &PhysicalPort)> {
        let rows = switch.ports.iter().filter_map(|uuid| Some((*uuid, &**self.ports.get(uuid)?)));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_cached_key(|(uuid, port)| (port.name.clone(), *uuid));
        rows
    }
}

fn changed<T: PartialEq>(old: Option<T>, new: T) -> bool {
    old != Some(new)
}

/// `Mcast_Macs_Local` or `Mcast_Macs_Remote`.
#[derive(Debug, Default)]
pub(super) struct McastTable {
    rows: HashMap<Uuid, Mcast>,
    /// (switch, row)
    by_switch: BTreeSet<(Uuid, Uuid)>,
    /// (locator set, row)
    by_set: BTreeSet<(Uuid, Uuid)>,
}

impl McastTable {
    fn put(&mut self, uuid: Uuid, row: Mcast, touched: &mut BTreeSet<Uuid>) {
        if self.rows.get(&uuid) == Some(&row) {
            return;
        }
        self.take(uuid, touched);
        self.by_switch.insert((row.switch, uuid));
        self.by_set.insert((row.locators, uuid));
        self.rows.insert(uuid, row);
        touched.insert(row.switch);
    }

    fn take(&mut self, uuid: Uuid, touched: &mut BTreeSet<Uuid>) {
        let Some(row) = self.rows.remove(&uuid) else { return };
        self.by_switch.remove(&(row.switch, uuid));
        self.by_set.remove(&(row.locators, uuid));
        touched.insert(row.switch);
    }

    /// Returns the `unknown-dst` rows of a switch.
    pub(super) fn unknown(&self, switch: Uuid) -> impl Iterator<Item = (Uuid, &Mcast)> {
        self.of(switch).filter(|(_, row)| row.group == Group::UnknownDst)
    }

    /// Returns the rows of a switch.
    pub(super) fn of(&self, switch: Uuid) -> impl Iterator<Item = (Uuid, &Mcast)> {
        let found = self.by_switch.range((switch, Uuid::ZERO)..).take_while(move |(s, _)| *s == switch);
        found.filter_map(|(_, uuid)| Some((*uuid, self.rows.get(uuid)?)))
    }

    /// Returns all switches that have a row.
    pub(super) fn switches(&self) -> impl Iterator<Item = Uuid> {
        self.by_switch.iter().map(|(switch, _)| *switch)
    }

    fn with(&self, set: Uuid) -> impl Iterator<Item = Uuid> {
        let found = self.by_set.range((set, Uuid::ZERO)..).take_while(move |(s, _)| *s == set);
        found.filter_map(|(_, uuid)| self.rows.get(uuid)).map(|row| row.switch)
    }
}
