//! The copy of the tables.
//!
//! It outlives connections. What a server tells after a reconnect, be it everything or only what it remembers to have
//! changed, goes in here, and what comes out is the difference to what was known.

use std::{collections::HashSet, mem, sync::Arc};

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;

use super::{
    Change, Columns, Datum, Decoder, Event, RowError, TableSelect, Uuid, difference,
    layout::{Layout, TableLayout},
    packed::Packed,
    update::{RowUpdate, What},
};

/// The copy of the tables, and the decoder of their rows.
#[derive(Debug)]
pub struct Replica<D> {
    decoder: D,
    layout: Arc<Layout>,
    tables: Vec<Table>,
    last_transaction: Option<Uuid>,
}

/// The rows of a table.
#[derive(Debug, Default)]
struct Table {
    /// `None`: what the server told is not as its schema says, so nobody knows what it holds until it is told whole.
    ///
    /// Rows lie one behind the other and only their places in a hash table: half of one that has just grown is empty.
    rows: IndexMap<Uuid, Option<Packed>, DefaultHashBuilder>,
    /// The few that could not be decoded and were not told.
    untold: HashSet<Uuid>,
}

/// A row that has been taken out.
struct Entry {
    packed: Option<Packed>,
    /// It was decoded and told.
    told: bool,
}

impl Table {
    fn remove(&mut self, uuid: &Uuid) -> Option<Entry> {
        let packed = self.rows.swap_remove(uuid)?;
        Some(Entry { packed, told: !self.untold.remove(uuid) })
    }

    fn insert(&mut self, uuid: Uuid, Entry { packed, told }: Entry) {
        self.rows.insert(uuid, packed);
        if !told {
            self.untold.insert(uuid);
        }
    }
}

/// A server tells of a change to a row that it has not told.
#[derive(Debug, thiserror::Error)]
#[error("it sent a change of row {uuid} of table {table}, which it had not sent before")]
pub struct UnknownRow {
    table: Arc<str>,
    uuid: Uuid,
}

/// What changed, and what is wrong, in the making.
struct News<R> {
    bad: Vec<Event<R>>,
    changes: Vec<Change<R>>,
}

impl<D: Decoder> Replica<D> {
    pub(crate) fn new(decoder: D, selects: &[TableSelect]) -> Self {
        let layout = Layout::unknown(selects);
        let tables = (0..layout.len()).map(|_| Table::default()).collect();
        Self { decoder, layout: layout.into(), tables, last_transaction: None }
    }

    /// What is held of the database.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The transaction that the copy is of, if the server told one.
    pub(crate) fn last_transaction(&self) -> Option<Uuid> {
        self.last_transaction
    }

    /// The copy is of this transaction now.
    pub(crate) fn set_last_transaction(&mut self, transaction: Option<Uuid>) {
        self.last_transaction = transaction;
    }

    /// The database has another schema, or turned out to have one. Differences don't fit what was known under another one.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        if *self.layout != layout {
            self.layout = layout.into();
            self.last_transaction = None;
        }
    }

    /// Takes a complete picture.
    pub(crate) fn replace(&mut self, updates: Vec<RowUpdate>) -> Vec<Event<D::Row>> {
        let mut news = News::new();
        let mut old: Vec<Table> = self.tables.iter_mut().map(mem::take).collect();
        for RowUpdate { table, uuid, what } in updates {
            let known = old[table].remove(&uuid);
            let result = match what {
                What::Whole(packed) => Ok(packed),
                What::Broken(error) => Err(error),
                // Not in a complete picture.
                What::Difference(_) | What::Deleted => continue,
            };
            self.put(table, uuid, known, result, &mut news);
        }
        for (table, gone) in old.into_iter().enumerate() {
            let told = gone.rows.into_keys().filter(|uuid| !gone.untold.contains(uuid));
            told.for_each(|uuid| news.change(self.layout.table(table), uuid, None));
        }
        news.events(true)
    }

    /// Takes what changed since the last transaction, which completes the picture.
    ///
    /// # Errors
    /// It does not fit to what is known. Nothing of it was taken.
    pub(crate) fn catch_up(&mut self, updates: Vec<RowUpdate>) -> Result<Vec<Event<D::Row>>, UnknownRow> {
        Ok(self.change(updates)?.events(true))
    }

    /// Takes what changed, as one transaction.
    ///
    /// # Errors
    /// It does not fit to what is known. Nothing of it was taken.
    pub(crate) fn apply(&mut self, updates: Vec<RowUpdate>) -> Result<Vec<Event<D::Row>>, UnknownRow> {
        Ok(self.change(updates)?.events(false))
    }

    fn change(&mut self, updates: Vec<RowUpdate>) -> Result<News<D::Row>, UnknownRow> {
        for RowUpdate { table, uuid, what } in &updates {
            if matches!(what, What::Difference(_)) && !self.tables[*table].rows.contains_key(uuid) {
                return Err(UnknownRow { table: self.layout.table(*table).name.clone(), uuid: *uuid });
            }
        }
        let mut news = News::new();
        for RowUpdate { table, uuid, what } in updates {
            let known = self.tables[table].remove(&uuid);
            let told = match what {
                What::Whole(packed) => Ok(packed),
                What::Broken(error) => Err(error),
                What::Difference(cells) => match &known {
                    Some(Entry { packed: Some(packed), .. }) => Ok(changed(self.layout.table(table), packed, cells)),
                    // Nobody knows what the difference is to.
                    _ => {
                        known.into_iter().for_each(|entry| self.tables[table].insert(uuid, entry));
                        continue;
                    }
                },
                What::Deleted => {
                    if known.is_some_and(|entry| entry.told) {
                        news.change(self.layout.table(table), uuid, None);
                    }
                    continue;
                }
            };
            self.put(table, uuid, known, told, &mut news);
        }
        Ok(news)
    }

    /// All that is known, as a complete picture.
    #[cfg(fuzzing)]
    pub fn whole(&self) -> Vec<RowUpdate> {
        let rows = self.tables.iter().enumerate().flat_map(|(at, table)| table.rows.iter().map(move |row| (at, row)));
        let whole = |(table, (uuid, packed)): (usize, (&Uuid, &Option<Packed>))| {
            let what = What::Whole(packed.clone()?);
            Some(RowUpdate { table, uuid: *uuid, what })
        };
        rows.filter_map(whole).collect()
    }

    /// Puts a row in, of which `known` was there before.
    fn put(
        &mut self,
        table: usize,
        uuid: Uuid,
        known: Option<Entry>,
        told: Result<Packed, RowError>,
        news: &mut News<D::Row>,
    ) {
        let layout = self.layout.table(table);
        let (packed, row) = match told {
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
        let told = row.is_ok();
        match row {
            Ok(row) => news.change(layout, uuid, Some(row)),
            Err(error) => {
                news.bad.push(Event::BadRow { table: layout.name.clone(), uuid, error });
                if known.is_some_and(|entry| entry.told) {
                    news.change(layout, uuid, None);
                }
            }
        }
        self.tables[table].insert(uuid, Entry { packed, told });
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

impl<R> News<R> {
    fn new() -> Self {
        Self { bad: Vec::new(), changes: Vec::new() }
    }

    fn change(&mut self, layout: &TableLayout, uuid: Uuid, row: Option<R>) {
        self.changes.push(Change { table: layout.name.clone(), uuid, row });
    }

    /// As events; the changes also if there are none, where they complete a picture.
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
