//! Settings of the database connection.

use crate::vtep::{HoldTimes, Identity};

/// Settings of the database connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Identity of this gateway in the database.
    pub identity: Identity,
    /// Limit of learned MACs of a logical switch.
    pub learn_limit: u64,
    /// Times for which forwarding stays unchanged.
    pub hold: HoldTimes,
}
