//! A client under test, and the snapshot that it gives.
#![allow(dead_code, reason = "each test crate uses its part of this module")]

use std::{collections::BTreeMap, time::Duration};

use gateway_ovsdb::{
    Change, Client, Columns, Datum, Decoder, Event, Events, Options, RowError, ServerIdentity, TableSelect, Uuid, open,
};
use tokio::{task::JoinHandle, time::timeout};

use crate::lab::PATIENCE;

/// All columns of a row.
pub(crate) type Row = BTreeMap<String, Datum>;

/// Takes rows as they are, but for those with the name `bad`.
pub(crate) struct AsTheyAre;

impl Decoder for AsTheyAre {
    type Row = Row;

    fn decode(&mut self, _: &str, _: Uuid, columns: &Columns) -> Result<Row, RowError> {
        match columns.get("name").and_then(Datum::string) {
            Some("bad") => Err(RowError { column: "name".into(), expected: "a good name".into(), found: "bad".into() }),
            _ => Ok(columns.iter().map(|(name, datum)| (name.to_owned(), datum.clone())).collect()),
        }
    }
}

/// A client, the contents it has reported so far, and its driver.
pub(crate) struct Follower {
    pub(crate) client: Client,
    pub(crate) events: Events<Row>,
    pub(crate) snapshot: BTreeMap<(String, Uuid), Row>,
    driver: JoinHandle<()>,
}

/// The tables of the lab's schema, with one table and one column that it does not have.
pub(crate) fn options(remotes: &str) -> Options {
    let tables = vec![
        TableSelect::new("Switch", &["name", "count", "load"]),
        TableSelect::new("Port", &["name", "tag", "up", "peers", "ids", "bindings", "colour"]),
        TableSelect::new("Router", &["name"]),
    ];
    let (remotes, database) = (remotes.parse().unwrap(), "lab".into());
    Options {
        remotes,
        database,
        tables,
        leader_only: false,
        probe: Duration::from_secs(5),
        tls: None,
        server: ServerIdentity::default(),
        longest_message: 256 << 20,
    }
}

impl Follower {
    pub(crate) fn new(options: Options) -> Self {
        let (client, events, driver) = open(options, AsTheyAre).unwrap();
        Self { client, events, snapshot: BTreeMap::new(), driver: tokio::spawn(driver) }
    }

    /// Follows the lab's database, and has the first snapshot.
    pub(crate) async fn of(remote: &str) -> Self {
        let mut follower = Self::new(options(remote));
        follower.up().await;
        follower.changes().await;
        follower
    }

    /// The next event. Changes are in the snapshot when this returns.
    pub(crate) async fn next(&mut self) -> Event<Row> {
        let event = timeout(PATIENCE, self.events.recv()).await.expect("an event within the patience").unwrap();
        if let Event::Changes(changes) = &event {
            for Change { table, uuid, row } in changes {
                let key = (table.to_string(), *uuid);
                match row {
                    Some(row) => drop(self.snapshot.insert(key, row.clone())),
                    None => assert!(self.snapshot.remove(&key).is_some(), "{key:?} was never reported"),
                }
            }
        }
        event
    }

    /// Waits until it is connected, whatever the attempts before: to which server, and what its schema lacks.
    pub(crate) async fn up(&mut self) -> (String, Vec<String>) {
        loop {
            match self.next().await {
                Event::Up { remote, missing, .. } => return (remote, missing),
                Event::Down { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns the changes that have to be reported next.
    pub(crate) async fn changes(&mut self) -> Vec<Change<Row>> {
        match self.next().await {
            Event::Changes(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the connection is down: why.
    pub(crate) async fn down(&mut self) -> String {
        loop {
            if let Event::Down { reason, .. } = self.next().await {
                return reason;
            }
        }
    }

    /// Waits until the connection is down for a reason with `words`.
    pub(crate) async fn down_because(&mut self, words: &str) {
        while !self.down().await.contains(words) {}
    }

    /// Rows of `table` by name.
    pub(crate) fn rows(&self, table: &str) -> BTreeMap<&str, &Row> {
        let rows = self.snapshot.iter().filter(|((of, _), _)| of == table);
        rows.map(|(_, row)| (row["name"].string().unwrap(), row)).collect()
    }

    /// The row of `table` with this name.
    pub(crate) fn uuid(&self, table: &str, name: &str) -> Uuid {
        let row = self.snapshot.iter().find(|((of, _), row)| of == table && row["name"].string() == Some(name));
        row.unwrap().0.1
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
