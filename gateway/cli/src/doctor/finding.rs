//! Results of checks.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::check::Check;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// In order.
    Ok,
    /// Could not be determined.
    Unknown,
    /// Works, but could work better or more safely.
    Warn,
    /// Does not work, or will soon fail.
    Bad,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warn => "WARN",
            Self::Bad => "BAD",
        })
    }
}

/// Result of one check for one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// The interface, address or name, where there may be several.
    pub subject: Option<String>,
    /// Its severity.
    pub mark: Mark,
    /// The finding.
    pub what: String,
    /// The remedy, with the command; `None` only if none is needed.
    pub remedy: Option<String>,
}

impl Finding {
    /// Creates a finding: in order.
    pub fn ok(check: Check, what: impl Into<String>) -> Self {
        Self { check, subject: None, mark: Mark::Ok, what: what.into(), remedy: None }
    }

    /// Creates a finding: could not be determined. `remedy` explains how to determine it.
    pub fn unknown(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, subject: None, mark: Mark::Unknown, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// Creates a finding: could be better.
    pub fn warn(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { mark: Mark::Warn, ..Self::unknown(check, what, remedy) }
    }

    /// Creates a finding: does not work.
    pub fn bad(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { mark: Mark::Bad, ..Self::unknown(check, what, remedy) }
    }

    /// Sets the subject.
    #[must_use]
    pub fn about(self, subject: impl fmt::Display) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Finding", 7)?;
        object.serialize_field("check", self.check.name())?;
        object.serialize_field("group", self.check.group().name())?;
        object.serialize_field("subject", &self.subject)?;
        object.serialize_field("mark", &self.mark)?;
        object.serialize_field("what", &self.what)?;
        object.serialize_field("why", self.check.why())?;
        object.serialize_field("remedy", &self.remedy)?;
        object.end()
    }
}
