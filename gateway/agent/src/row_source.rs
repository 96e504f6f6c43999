//! Source of the rows: the database, and the rows of the last plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_api::view;
use gateway_config::{Config, Interface, rows::Rows};
use gateway_datapath::plan;
use gateway_netdev::underlay::{Resolution, Snapshot, Wanted};
use gateway_sources::Database;
use gateway_vrrp::Time;
use tokio::sync::watch;

/// Database that forwarding follows.
pub(super) struct RowSource {
    database: Box<dyn Database>,
    /// Parts of the underlay that the agent tracks.
    wanted: watch::Sender<Arc<Wanted>>,
    /// Rows of the last plan.
    planned: Arc<Rows>,
    /// True if forwarding follows the database. Until the first rows arrive, the state that an earlier run programmed
    /// stays. The first rows are planned in full even if they are empty, as those before them were.
    complete: bool,
    /// Numbers of times that the database was reached and lost.
    reached: (u64, u64),
    since: DatabaseSince,
}

impl RowSource {
    /// Makes the state after a start with `rows`. `complete` is false if the database was not known when they were
    /// read, so that they were not planned.
    pub(super) fn new(
        database: Box<dyn Database>,
        wanted: watch::Sender<Arc<Wanted>>,
        rows: Arc<Rows>,
        complete: bool,
    ) -> Self {
        Self { database, wanted, planned: rows, complete, reached: (0, 0), since: DatabaseSince::default() }
    }

    /// Returns the database, to publish to it.
    pub(super) fn database(&self) -> &dyn Database {
        &*self.database
    }

    /// Returns false until there have been rows.
    pub(super) fn is_known(&self) -> bool {
        self.database.is_known()
    }

    /// Returns true while the database is reached.
    pub(super) fn is_reached(&self) -> bool {
        *self.database.reached().borrow()
    }

    /// Returns the current rows.
    pub(super) fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.database.rows().borrow())
    }

    /// Returns the rows of the last plan.
    pub(super) const fn planned(&self) -> &Arc<Rows> {
        &self.planned
    }

    /// Takes over changed rows. Returns the rows before the change, and true if those are programmed, so that the
    /// difference is all that has to be programmed.
    pub(super) fn change(&mut self, rows: &Arc<Rows>) -> (Arc<Rows>, bool) {
        (std::mem::replace(&mut self.planned, Arc::clone(rows)), self.complete)
    }

    /// Takes over rows that are planned in full. Publishes the remote VTEPs that are unreachable, and tracks the parts
    /// of the underlay that the rows need.
    pub(super) fn plan(&mut self, config: &Config, rows: &Arc<Rows>, underlay: &Snapshot) {
        self.database.set_unreachable(unreachable(underlay));
        (self.planned, self.complete) = (Arc::clone(rows), true);
        let wanted = Arc::new(wanted(config, rows));
        self.wanted.send_if_modified(|old| {
            let other = *old != wanted;
            *old = wanted;
            other
        });
    }

    /// Counts a change of the connection.
    pub(super) fn count(&mut self, reached: bool) {
        let count = if reached { &mut self.reached.0 } else { &mut self.reached.1 };
        *count += 1;
    }

    /// Returns the numbers of times that the database was reached and lost.
    pub(super) const fn counts(&self) -> (u64, u64) {
        self.reached
    }

    /// Notes the states of the databases at `now`, to know later for how long they last.
    pub(super) fn note(&mut self, now: Time) -> view::Database {
        let mut database = self.database.view();
        self.since.note(&mut database, now);
        database
    }

    /// Returns the view of the database.
    pub(super) fn view(&self, now: Time) -> view::Database {
        let mut database = self.database.view();
        self.since.set_seconds(&mut database, now);
        database
    }

    /// Returns the time at which data last came from the server of a database.
    pub(super) fn last_received(&self, instance: Option<&str>) -> Option<Time> {
        self.database.last_received(instance)
    }
}

type State = (bool, view::DatabaseState);

/// Times since which the databases have been in their states.
#[derive(Debug, Default)]
struct DatabaseSince(BTreeMap<Option<String>, (State, Time)>);

impl DatabaseSince {
    /// Tracks the states at `now`.
    fn note(&mut self, database: &mut view::Database, now: Time) {
        for (instance, following) in database.followed_mut() {
            let state = (following.reached, following.state);
            let noted = self.0.entry(instance.map(str::to_owned)).or_insert((state, now));
            if noted.0 != state {
                *noted = (state, now);
            }
        }
    }

    /// Sets in each view the time for which it has had its state. A state that is not noted yet is new.
    fn set_seconds(&self, database: &mut view::Database, now: Time) {
        for (instance, following) in database.followed_mut() {
            let state = (following.reached, following.state);
            let noted = self.0.get(&instance.map(str::to_owned)).filter(|(noted, _)| *noted == state);
            following.state_seconds = Some(noted.map_or(0, |(_, since)| now.saturating_sub(*since).as_secs()));
        }
    }
}

/// Returns the remote VTEPs without a resolved next hop.
fn unreachable(underlay: &Snapshot) -> BTreeSet<IpAddr> {
    let hops = underlay.hops.iter();
    hops.filter(|(_, hop)| matches!(hop, Resolution::Unresolved(_))).map(|(remote, _)| *remote).collect()
}

/// Returns the parts of the underlay that the agent tracks.
pub(super) fn wanted(config: &Config, rows: &Rows) -> Wanted {
    let names = |interfaces: &[Interface]| -> BTreeSet<String> {
        interfaces.iter().map(|interface| interface.name.clone()).collect()
    };
    Wanted {
        remotes: plan::remotes(rows),
        uplinks: names(&config.uplinks),
        ports: names(&config.ports),
        vteps: config.vteps().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_api::view::{Database, DatabaseState, samples};

    use super::*;

    fn database(state: DatabaseState) -> Database {
        let mut database = samples::healthy().database;
        database.followed_mut().into_iter().for_each(|(_, following)| following.state = state);
        database
    }

    fn seconds(since: &DatabaseSince, state: DatabaseState, now: u64) -> Option<u64> {
        let mut database = database(state);
        since.set_seconds(&mut database, Duration::from_secs(now));
        database.followed()[0].1.state_seconds
    }

    #[test]
    fn a_state_of_the_database_counts_from_its_first_note() {
        let (mut since, now) = (DatabaseSince::default(), Duration::from_secs);
        since.note(&mut database(DatabaseState::Following), now(10));
        since.note(&mut database(DatabaseState::Following), now(20));
        assert_eq!(seconds(&since, DatabaseState::Following, 25), Some(15));
        assert_eq!(seconds(&since, DatabaseState::Gone, 25), Some(0), "it is not noted yet");
        since.note(&mut database(DatabaseState::Gone), now(30));
        assert_eq!(seconds(&since, DatabaseState::Gone, 32), Some(2));
    }
}
