//! Failure of a probe.

use std::{error::Error, fmt};

use gateway_base::causes;

/// Reason for which a probe found nothing out. It is kept as text, since facts are copied and compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProbeError(String);

impl ProbeError {
    /// Creates a failure with this reason.
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }

    /// Creates a failure whose reason is an error with all its causes.
    pub(super) fn of(error: &dyn Error) -> Self {
        Self(causes::chain(error))
    }
}
