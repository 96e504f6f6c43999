//! Requests for records of the journal, and their replies.

use serde::{Deserialize, Serialize};

use super::Record;

/// Position in the journal from which a client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// The end of the journal: returns no records, but the number of the next one.
    End,
    /// The record with this number; 0: all records that are kept, even if older ones are gone.
    From {
        /// The number.
        seq: u64,
        /// Run of the agent that the number belongs to: [`Page::run`]. If the agent has restarted since, all records
        /// are returned.
        run: Option<String>,
    },
}

impl Cursor {
    /// Parses the parameters of the control command: none, a number, or a number and a run.
    pub fn parse(words: &[&str]) -> Option<Self> {
        let seq = |text: &str| text.parse().ok();
        match words {
            [] => Some(Self::End),
            [text] => Some(Self::From { seq: seq(text)?, run: None }),
            [text, run] => Some(Self::From { seq: seq(text)?, run: Some((*run).to_owned()) }),
            _ => None,
        }
    }
}

/// A part of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Run of the agent that it belongs to: the agent's start time.
    pub run: String,
    /// Number of the oldest record that is kept.
    pub oldest: u64,
    /// Number from which to continue.
    pub next: u64,
    /// Number of records between the requested position and `next` that are gone.
    pub missed: u64,
    /// The records, in the order of their numbers.
    pub records: Vec<Record>,
}
