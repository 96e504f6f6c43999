//! Problems, and their severity.

use serde::{Deserialize, Serialize};

/// Problem that is present now and that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// Its severity.
    pub severity: Severity,
    /// The problem, the part that has it, and the remedy.
    pub text: String,
}

/// Severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The gateway cannot do its work, or could not when needed: it is not healthy.
    Fault,
    /// The gateway does its work, but something in its environment is not as it should be.
    Warning,
}

impl Problem {
    /// Creates a fault.
    pub fn fault(text: impl Into<String>) -> Self {
        Self { severity: Severity::Fault, text: text.into() }
    }

    /// Creates a warning.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }
}
