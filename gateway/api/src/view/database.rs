//! How things stand with the database, a part of `status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The database; the field `kind` tells which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Database {
    /// The one in the configuration file.
    Static,
    /// One that a controller fills.
    HardwareVtep(Following),
    /// One that a controller fills, with a physical switch for each instance.
    Several {
        /// How each instance stands with it, by its name.
        instances: BTreeMap<String, Database>,
    },
}

/// How a `hardware_vtep` database is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// There is a connection, and what the database says is known.
    pub reached: bool,
    /// How far forwarding follows it.
    pub state: DatabaseState,
    /// For how long that has been so, give or take a second; None where nobody has looked before.
    pub state_seconds: Option<u64>,
    /// Until forwarding ends, or switches go, unless the database comes back; None where that is never.
    pub hold_seconds_left: Option<u64>,
    /// The server that is connected to.
    pub remote: Option<String>,
    /// Version of its schema.
    pub schema_version: Option<String>,
    /// Rows that are skipped because they do not hold what they should.
    pub unreadable_rows: u64,
    /// What else in it is not turned into forwarding, one sentence each.
    pub problems: Vec<String>,
    /// What keeps the gateway from writing to it as it should, one sentence each.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Which gateway of this name writes to it.
    #[serde(default)]
    pub lock: DatabaseLock,
    /// Why there is no connection; None while there is one, or before the first attempt has failed.
    #[serde(default)]
    pub unreachable: Option<Unreachable>,
}

/// Why there is no connection to the database: the last attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreachable {
    /// The server that was tried.
    pub remote: String,
    /// What was wrong, for people.
    pub reason: String,
    /// The kind of failure, a word of [`gateway_ovsdb::Cause`].
    pub cause: String,
}

/// How it stands with the lock that says which gateway of this name writes to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseLock {
    /// None is wanted: there is no connection, or this node is a standby of a shared database.
    #[default]
    None,
    /// It was asked for.
    Asked,
    /// This gateway has it.
    Held,
    /// Another one has it.
    Waiting,
    /// Another one took it.
    Stolen,
    /// The server has no locks.
    Unsupported,
}

impl DatabaseLock {
    /// All there are.
    pub const ALL: [Self; 6] = [Self::None, Self::Asked, Self::Held, Self::Waiting, Self::Stolen, Self::Unsupported];

    /// The word for it.
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

/// How far forwarding follows the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// It has not been seen yet; what an earlier run has programmed stays meanwhile.
    Waiting,
    /// Forwarding is what it says.
    Following,
    /// It can't be reached; forwarding stays as it was.
    Gone,
    /// It was emptied; switches stay as they were for a while.
    Kept,
    /// It could not be reached for longer than the hold time; nothing is forwarded.
    Expired,
}

impl DatabaseState {
    /// The word for it.
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
    /// The databases that are followed, each with the name of its instance where there are several.
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

    /// The same, to be changed.
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
