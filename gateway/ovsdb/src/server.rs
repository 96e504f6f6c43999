//! State of a server and its databases: table `Database` of its database `_Server` (`ovsdb-server(5)`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::message;

/// Name of the database with the table.
pub(crate) const DATABASE: &str = "_Server";

/// Limit of databases that are named in an error.
const NAMED: usize = 10;
/// Limit of databases of a server.
const MOST: usize = 1000;

/// Databases of a server, by the UUID of their rows.
#[derive(Debug, Default)]
pub(crate) struct Databases(BTreeMap<String, Database>);

#[derive(Debug, Deserialize)]
struct Database {
    name: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    connected: bool,
    #[serde(default)]
    leader: bool,
}

/// Error: a server is not the right one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongServer {
    /// The server does not have the database.
    #[error("it has no database {database}, but {}: is this the right server?", known(.others))]
    NoSuchDatabase {
        /// Requested database.
        database: String,
        /// Databases of the server.
        others: Vec<String>,
    },
    /// The server has an implausible number of databases.
    #[error("it has more than {MOST} databases: is this a database server?")]
    TooMany,
    /// The server is a member of a cluster and disconnected from it.
    #[error("it is not connected to its cluster")]
    NotConnected,
    /// The server is a member of a cluster and not its leader.
    #[error("it does not lead its cluster")]
    NotLeader,
}

fn known(names: &[String]) -> String {
    match names.len() {
        0 => "none at all".to_owned(),
        count if count > NAMED => format!("{} and {} more", names[..NAMED].join(", "), count - NAMED),
        _ => names.join(", "),
    }
}

/// Returns the parameters of the monitor of `_Server`.
pub(crate) fn requests() -> Value {
    json!({ "Database": [{ "columns": ["name", "model", "connected", "leader"] }] })
}

impl Databases {
    /// Applies updates, in the form with `old` and `new` (RFC 7047, section 4.1.6).
    pub(crate) fn take(&mut self, updates: &RawValue) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct Tables {
            #[serde(rename = "Database", default)]
            rows: BTreeMap<String, Update>,
        }
        #[derive(Deserialize)]
        struct Update {
            new: Option<Database>,
        }
        let Tables { rows } = serde_json::from_str(updates.get())?;
        for (uuid, Update { new }) in rows {
            match new {
                Some(database) => drop(self.0.insert(uuid, database)),
                None => drop(self.0.remove(&uuid)),
            }
        }
        Ok(())
    }

    /// Returns true if the server is a relay for the database `name`. A relay forwards transactions to another server,
    /// which does not know the locks of the relay.
    pub(crate) fn is_relay(&self, name: &str) -> bool {
        self.0.values().any(|database| database.name == name && database.model == "relay")
    }

    /// Checks that the server is the right one for the database `name`.
    pub(crate) fn judge(&self, name: &str, leader_only: bool) -> Result<(), WrongServer> {
        if self.0.len() > MOST {
            return Err(WrongServer::TooMany);
        }
        let Some(database) = self.0.values().find(|database| database.name == name) else {
            return Err(no_such_database(name, self.0.values().map(|database| &*database.name)));
        };
        match database.model.as_str() {
            "clustered" | "relay" if !database.connected => Err(WrongServer::NotConnected),
            // A relay forwards transactions to the leader itself.
            "clustered" if leader_only && !database.leader => Err(WrongServer::NotLeader),
            _ => Ok(()),
        }
    }
}

/// Returns the error for a server that has the databases `known`, and not `name`.
pub(crate) fn no_such_database<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> WrongServer {
    let others =
        known.filter(|&other| other != DATABASE).take(MOST).map(|name| message::short(name.to_owned())).collect();
    WrongServer::NoSuchDatabase { database: name.to_owned(), others }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases(rows: &[(&str, &str, bool, bool)]) -> Databases {
        let mut databases = Databases::default();
        let mut updates = json!({});
        for (at, (name, model, connected, leader)) in rows.iter().enumerate() {
            let new = json!({"name": name, "model": model, "connected": connected, "leader": leader});
            updates["Database"][at.to_string()] = json!({ "new": new });
        }
        databases.take(&serde_json::value::to_raw_value(&updates).unwrap()).unwrap();
        databases
    }

    #[test]
    fn a_standalone_database_has_no_leader_to_look_for() {
        assert_eq!(databases(&[("d", "standalone", true, true)]).judge("d", true), Ok(()));
    }

    #[test]
    fn of_a_cluster_the_leader_is_stayed_with_if_asked() {
        let follower = databases(&[("d", "clustered", true, false)]);
        assert_eq!(follower.judge("d", false), Ok(()));
        assert_eq!(follower.judge("d", true), Err(WrongServer::NotLeader));
        assert_eq!(databases(&[("d", "clustered", true, true)]).judge("d", true), Ok(()));
    }

    #[test]
    fn a_member_apart_from_its_cluster_is_left() {
        assert_eq!(databases(&[("d", "clustered", false, true)]).judge("d", false), Err(WrongServer::NotConnected));
        assert_eq!(databases(&[("d", "relay", false, false)]).judge("d", false), Err(WrongServer::NotConnected));
        assert_eq!(databases(&[("d", "relay", true, false)]).judge("d", true), Ok(()));
    }

    #[test]
    fn an_unknown_database_is_reported_with_the_ones_there_are() {
        let databases = databases(&[("a", "standalone", true, true), ("_Server", "standalone", true, true)]);
        let error = databases.judge("d", false).unwrap_err();
        assert_eq!(error.to_string(), "it has no database d, but a: is this the right server?");
    }

    #[test]
    fn updates_change_and_delete() {
        let mut databases = databases(&[("d", "clustered", true, true)]);
        let update =
            r#"{"Database":{"0":{"old":{"leader":true},"new":{"name":"d","model":"clustered","connected":true}}}}"#;
        databases.take(serde_json::from_str(update).unwrap()).unwrap();
        assert_eq!(databases.judge("d", true), Err(WrongServer::NotLeader));
        databases.take(serde_json::from_str(r#"{"Database":{"0":{"old":{}}}}"#).unwrap()).unwrap();
        assert!(matches!(databases.judge("d", true), Err(WrongServer::NoSuchDatabase { .. })));
    }
}
