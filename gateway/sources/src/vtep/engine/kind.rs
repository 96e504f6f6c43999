//! Kinds of transactions.

use std::time::Duration;

/// Minimum interval of repairs of this gateway's own rows, and of publishing stations.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Interval of writing counters. In a cluster each write goes through the log of all its members.
const TRAFFIC_EVERY: Duration = Duration::from_secs(10);
/// Minimum interval of writing faults, so that two writers that disagree do not overload the server.
const FAULTS_EVERY: Duration = Duration::from_secs(1);

/// Kind of a transaction, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Repairs this gateway's own rows.
    Register,
    /// Publishes stations.
    Publish,
    /// Reports faults.
    Faults,
    /// Reports counters.
    Traffic,
}

impl Kind {
    /// All kinds, in order of precedence.
    pub(super) const ALL: [Self; 4] = [Self::Register, Self::Publish, Self::Faults, Self::Traffic];

    /// Returns the minimum interval between two transactions of this kind.
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Register | Self::Publish => WRITE_EVERY,
            Self::Faults => FAULTS_EVERY,
            Self::Traffic => TRAFFIC_EVERY,
        }
    }

    /// Returns the purpose, for the log.
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Register => "registering this gateway in the database",
            Self::Publish => "publishing learned MACs in the database",
            Self::Faults => "reporting faults to the database",
            Self::Traffic => "reporting counters to the database",
        }
    }
}
