//! Error of a single value.

use std::fmt;

/// Value that is not as expected. Prints as `expected 1 to 255, found 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    expected: String,
    /// `None` if the value must not be shown, or is described by the expectation.
    found: Option<String>,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)?;
        self.found.iter().try_for_each(|found| write!(f, ", found {found}"))
    }
}

impl Invalid {
    /// Creates the error of a value that is shown.
    pub(crate) fn new(expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { expected: expected.to_string(), found: Some(found.to_string()) }
    }

    /// Creates the error of a value that is not shown, since it may be a secret.
    pub(crate) fn hidden(expected: impl fmt::Display) -> Self {
        Self { expected: expected.to_string(), found: None }
    }
}
