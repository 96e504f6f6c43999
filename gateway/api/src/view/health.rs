//! What is wrong, and how much that matters.

use serde::{Deserialize, Serialize};

/// Something that stands, and that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong with what, and what to do about it.
    pub text: String,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The gateway can't do, or would not be able to do, what it is there for: it is not healthy.
    Fault,
    /// It does its work; something around it is not as it should be.
    Warning,
}

impl Problem {
    /// A fault.
    pub fn fault(text: impl Into<String>) -> Self {
        Self { severity: Severity::Fault, text: text.into() }
    }

    /// A warning.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }
}
