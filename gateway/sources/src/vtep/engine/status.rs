//! Status of the database connection.

use std::collections::BTreeSet;

use gateway_ovsdb::Cause;

use crate::vtep::{HoldState, LockState};

/// Status of the database connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Connected server.
    pub remote: Option<String>,
    /// Version of its schema.
    pub schema_version: Option<String>,
    /// State of forwarding relative to the database.
    pub hold: HoldState,
    /// Number of rows that are skipped because they do not hold what they should.
    pub unreadable: usize,
    /// Other contents of the database that are not turned into forwarding.
    pub problems: BTreeSet<String>,
    /// Faults that prevent this gateway from writing.
    pub faults: BTreeSet<String>,
    /// State of the lock, which decides which gateway of this name writes.
    pub lock: LockState,
    /// Reason for a missing connection: the server, the error, and its cause.
    pub unreachable: Option<(String, String, Cause)>,
}
