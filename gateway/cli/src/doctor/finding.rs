//! What a check found.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::check::Check;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// It could not be seen.
    Unknown,
    /// It works, and could work better or more safely.
    Warn,
    /// Something does not work, or soon will not.
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

/// What one check found, about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// The interface, address or name it is about, where there may be several.
    pub subject: Option<String>,
    /// How bad it is.
    pub mark: Mark,
    /// What was found.
    pub what: String,
    /// What to do about it, with the command; `None` only where nothing is to be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: Check, what: impl Into<String>) -> Self {
        Self { check, subject: None, mark: Mark::Ok, what: what.into(), remedy: None }
    }

    /// It could not be seen; `remedy` says how it could.
    pub fn unknown(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, subject: None, mark: Mark::Unknown, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// It could be better.
    pub fn warn(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { mark: Mark::Warn, ..Self::unknown(check, what, remedy) }
    }

    /// It does not work.
    pub fn bad(check: Check, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { mark: Mark::Bad, ..Self::unknown(check, what, remedy) }
    }

    /// Says what it is about.
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
