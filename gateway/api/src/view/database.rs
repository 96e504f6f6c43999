//! State of the database, a part of `status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Database in use; the field `kind` has the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Database {
    /// Static database, in the configuration file.
    Static,
    /// Database that a controller fills.
    HardwareVtep(Following),
    /// Database that a controller fills, with a physical switch for each instance.
    Several {
        /// State of each instance, by its name.
        instances: BTreeMap<String, Database>,
    },
}

/// State of the connection to a `hardware_vtep` database, and of forwarding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// The connection is up and the contents of the database are known.
    pub reached: bool,
    /// State of forwarding with respect to the database.
    pub state: DatabaseState,
    /// Time in this state, accurate to a second; None if the state was not observed before.
    pub state_seconds: Option<u64>,
    /// Time until forwarding ends, or switches are removed, unless the database comes back; None: never.
    pub hold_seconds_left: Option<u64>,
    /// The server that is connected to.
    pub remote: Option<String>,
    /// Version of its schema.
    pub schema_version: Option<String>,
    /// Rows that are skipped because they do not hold what they should.
    pub unreadable_rows: u64,
    /// Other contents that are not turned into forwarding, one sentence each.
    pub problems: Vec<String>,
    /// Reasons why the gateway cannot write to it as it should, one sentence each.
    #[serde(default)]
    pub faults: Vec<String>,
    /// State of the lock for writing to it.
    #[serde(default)]
    pub lock: DatabaseLock,
    /// Reason why there is no connection. None: there is one, or no attempt has failed yet.
    #[serde(default)]
    pub unreachable: Option<Unreachable>,
}

/// Failure of the last attempt to connect to the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreachable {
    /// The server that was tried.
    pub remote: String,
    /// The error, as text for people.
    pub reason: String,
    /// The kind of failure, one of `gateway_ovsdb::Cause`.
    pub cause: String,
}

/// State of the lock that decides which of several gateways of the same name writes to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseLock {
    /// Not requested: there is no connection, or this node is a standby of a shared database.
    #[default]
    None,
    /// Requested.
    Asked,
    /// Held by this gateway.
    Held,
    /// Held by another gateway.
    Waiting,
    /// Taken over by another gateway.
    Stolen,
    /// Not supported by the server.
    Unsupported,
}

impl DatabaseLock {
    /// All states.
    pub const ALL: [Self; 6] = [Self::None, Self::Asked, Self::Held, Self::Waiting, Self::Stolen, Self::Unsupported];

    /// Returns the name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Asked => "asked",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Stolen => "stolen",
            Self::Unsupported => "unsupported",
        }
    }
}

/// State of forwarding with respect to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// The database has not been read yet; the state that an earlier run programmed stays in force until then.
    Waiting,
    /// Forwarding follows the database.
    Following,
    /// The database cannot be reached; forwarding stays as it was.
    Gone,
    /// The database was emptied; switches stay as they were until the hold time ends.
    Kept,
    /// The database could not be reached for longer than the hold time; nothing is forwarded.
    Expired,
}

impl DatabaseState {
    /// Returns the name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Following => "following",
            Self::Gone => "gone",
            Self::Kept => "kept",
            Self::Expired => "expired",
        }
    }
}

impl Database {
    /// Returns the `hardware_vtep` databases, each with the name of its instance where there are several.
    pub fn followed(&self) -> Vec<(Option<&str>, &Following)> {
        match self {
            Self::Static => Vec::new(),
            Self::HardwareVtep(following) => vec![(None, following)],
            Self::Several { instances } => instances
                .iter()
                .filter_map(|(name, database)| match database {
                    Self::HardwareVtep(following) => Some((Some(name.as_str()), following)),
                    Self::Static | Self::Several { .. } => None,
                })
                .collect(),
        }
    }

    /// Returns the same as `followed`, mutable.
    pub fn followed_mut(&mut self) -> Vec<(Option<&str>, &mut Following)> {
        match self {
            Self::Static => Vec::new(),
            Self::HardwareVtep(following) => vec![(None, following)],
            Self::Several { instances } => instances
                .iter_mut()
                .filter_map(|(name, database)| match database {
                    Self::HardwareVtep(following) => Some((Some(name.as_str()), following)),
                    Self::Static | Self::Several { .. } => None,
                })
                .collect(),
        }
    }
}
