//! Copy of the tables.
//!
//! It outlives connections. After a reconnect, a server sends either the complete contents or only the changes that it
//! remembers. The replica takes both, and returns the difference to its own contents.

use std::{collections::HashSet, mem, sync::Arc};

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;

use super::{
    Change, Columns, Datum, Decoder, Event, RowError, TableSelect, Uuid, difference,
    layout::{Layout, TableLayout},
    packed::Packed,
    update::{RowUpdate, What},
};

/// Copy of the tables, and the decoder of their rows.
#[derive(Debug)]
pub struct Replica<D> {
    decoder: D,
    layout: Arc<Layout>,
    tables: Vec<Table>,
    last_transaction: Option<Uuid>,
}

/// Rows of a table.
#[derive(Debug, Default)]
struct Table {
    /// Rows by UUID. `None`: the server sent contents that do not match its schema, so the row is unknown until the
    /// server sends it completely.
    ///
    /// An `IndexMap`, because half of a hash table that has just grown is empty: the rows are stored contiguously, and
    /// only their indices are in a hash table.
    rows: IndexMap<Uuid, Option<Packed>, DefaultHashBuilder>,
    /// The few rows that could not be decoded and were not reported.
    unreported: HashSet<Uuid>,
}

/// Row that has been removed from its table.
struct Entry {
    packed: Option<Packed>,
    /// True if the row was decoded and reported.
    reported: bool,
}

impl Table {
    fn remove(&mut self, uuid: &Uuid) -> Option<Entry> {
        let packed = self.rows.swap_remove(uuid)?;
        Some(Entry { packed, reported: !self.unreported.remove(uuid) })
    }

    fn insert(&mut self, uuid: Uuid, Entry { packed, reported }: Entry) {
        self.rows.insert(uuid, packed);
        if !reported {
            self.unreported.insert(uuid);
        }
    }
}

/// Error: a server sent a change of a row that it had not sent before.
#[derive(Debug, thiserror::Error)]
#[error("it sent a change of row {uuid} of table {table}, which it had not sent before")]
pub struct UnknownRow {
    table: Arc<str>,
    uuid: Uuid,
}

/// Changes and bad rows that are being collected.
struct Collected<R> {
    bad: Vec<Event<R>>,
    changes: Vec<Change<R>>,
}

impl<D: Decoder> Replica<D> {
    pub(crate) fn new(decoder: D, selects: &[TableSelect]) -> Self {
        let layout = Layout::unknown(selects);
        let tables = (0..layout.len()).map(|_| Table::default()).collect();
        Self { decoder, layout: layout.into(), tables, last_transaction: None }
    }

    /// Returns the layout of the copy.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Returns the transaction that the copy corresponds to, if the server sent one.
    pub(crate) fn last_transaction(&self) -> Option<Uuid> {
        self.last_transaction
    }

    /// Records the transaction that the copy corresponds to now.
    pub(crate) fn set_last_transaction(&mut self, transaction: Option<Uuid>) {
        self.last_transaction = transaction;
    }

    /// Sets the layout of another schema. Differences do not apply to rows of an earlier schema.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        if *self.layout != layout {
            self.layout = layout.into();
            self.last_transaction = None;
        }
    }

    /// Replaces the copy with complete contents.
    pub(crate) fn replace(&mut self, updates: Vec<RowUpdate>) -> Vec<Event<D::Row>> {
        let mut collected = Collected::new();
        let mut old: Vec<Table> = self.tables.iter_mut().map(mem::take).collect();
        for RowUpdate { table, uuid, what } in updates {
            let known = old[table].remove(&uuid);
            let result = match what {
                What::Whole(packed) => Ok(packed),
                What::Broken(error) => Err(error),
                // Never part of complete contents.
                What::Difference(_) | What::Deleted => continue,
            };
            self.put(table, uuid, known, result, &mut collected);
        }
        for (table, gone) in old.into_iter().enumerate() {
            let reported = gone.rows.into_keys().filter(|uuid| !gone.unreported.contains(uuid));
            reported.for_each(|uuid| collected.change(self.layout.table(table), uuid, None));
        }
        collected.events(true)
    }

    /// Applies the changes since the last transaction, after which the copy is complete.
    ///
    /// # Errors
    /// The changes do not match the copy. None of them was applied.
    pub(crate) fn catch_up(&mut self, updates: Vec<RowUpdate>) -> Result<Vec<Event<D::Row>>, UnknownRow> {
        Ok(self.change(updates)?.events(true))
    }

    /// Applies changes, as one transaction.
    ///
    /// # Errors
    /// The changes do not match the copy. None of them was applied.
    pub(crate) fn apply(&mut self, updates: Vec<RowUpdate>) -> Result<Vec<Event<D::Row>>, UnknownRow> {
        Ok(self.change(updates)?.events(false))
    }

    fn change(&mut self, updates: Vec<RowUpdate>) -> Result<Collected<D::Row>, UnknownRow> {
        for RowUpdate { table, uuid, what } in &updates {
            if matches!(what, What::Difference(_)) && !self.tables[*table].rows.contains_key(uuid) {
                return Err(UnknownRow { table: self.layout.table(*table).name.clone(), uuid: *uuid });
            }
        }
        let mut collected = Collected::new();
        for RowUpdate { table, uuid, what } in updates {
            let known = self.tables[table].remove(&uuid);
            let contents = match what {
                What::Whole(packed) => Ok(packed),
                What::Broken(error) => Err(error),
                What::Difference(cells) => match &known {
                    Some(Entry { packed: Some(packed), .. }) => Ok(changed(self.layout.table(table), packed, cells)),
                    // There are no known contents to apply the difference to.
                    _ => {
                        known.into_iter().for_each(|entry| self.tables[table].insert(uuid, entry));
                        continue;
                    }
                },
                What::Deleted => {
                    if known.is_some_and(|entry| entry.reported) {
                        collected.change(self.layout.table(table), uuid, None);
                    }
                    continue;
                }
            };
            self.put(table, uuid, known, contents, &mut collected);
        }
        Ok(collected)
    }

    /// Returns all known rows as complete contents.
    #[cfg(fuzzing)]
    pub fn whole(&self) -> Vec<RowUpdate> {
        let rows = self.tables.iter().enumerate().flat_map(|(at, table)| table.rows.iter().map(move |row| (at, row)));
        let whole = |(table, (uuid, packed)): (usize, (&Uuid, &Option<Packed>))| {
            let what = What::Whole(packed.clone()?);
            Some(RowUpdate { table, uuid: *uuid, what })
        };
        rows.filter_map(whole).collect()
    }

    /// Inserts a row that replaces `known`.
    fn put(
        &mut self,
        table: usize,
        uuid: Uuid,
        known: Option<Entry>,
        contents: Result<Packed, RowError>,
        collected: &mut Collected<D::Row>,
    ) {
        let layout = self.layout.table(table);
        let (packed, row) = match contents {
            Ok(packed) => match known {
                Some(entry) if entry.packed.as_ref() == Some(&packed) => {
                    self.tables[table].insert(uuid, entry);
                    return;
                }
                _ => {
                    let columns = Columns::new(layout.columns.clone(), packed.columns());
                    (Some(packed), self.decoder.decode(&layout.name, uuid, &columns))
                }
            },
            Err(error) => (None, Err(error)),
        };
        let reported = row.is_ok();
        match row {
            Ok(row) => collected.change(layout, uuid, Some(row)),
            Err(error) => {
                collected.bad.push(Event::BadRow { table: layout.name.clone(), uuid, error });
                if known.is_some_and(|entry| entry.reported) {
                    collected.change(layout, uuid, None);
                }
            }
        }
        self.tables[table].insert(uuid, Entry { packed, reported });
    }
}

fn changed(layout: &TableLayout, packed: &Packed, cells: Vec<(usize, Datum)>) -> Packed {
    let mut columns = packed.columns();
    for (at, change) in cells {
        if let (Some(kind), Some(old)) = (layout.kind(at), columns[at].take()) {
            columns[at] = Some(difference::apply(kind, old, change));
        }
    }
    Packed::new(&columns)
}

impl<R> Collected<R> {
    fn new() -> Self {
        Self { bad: Vec::new(), changes: Vec::new() }
    }

    fn change(&mut self, layout: &TableLayout, uuid: Uuid, row: Option<R>) {
        self.changes.push(Change { table: layout.name.clone(), uuid, row });
    }

    /// Converts into events. If `complete`, they include the changes even if there are none.
    fn events(mut self, complete: bool) -> Vec<Event<R>> {
        if complete || !self.changes.is_empty() {
            self.bad.push(Event::Changes(self.changes));
        }
        self.bad
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
