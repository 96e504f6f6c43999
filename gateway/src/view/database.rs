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
    /// Until forwarding ends, or switches go, unless the database comes back.
    pub hold_seconds_left: Option<u64>,
    /// The server that is connected to.
    pub remote: Option<String>,
    /// Version of its schema.
    pub schema_version: Option<String>,
    /// Rows that are skipped because they do not hold what they should.
    pub unreadable_rows: u64,
    /// What else in it is not turned into forwarding, one sentence each.
    pub problems: Vec<String>,
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
