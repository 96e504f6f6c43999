//! What a reader of the journal asks for, and gets.

use serde::{Deserialize, Serialize};

use super::Record;

/// From where on somebody wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// From now on: no records, but the number that the next one will have.
    End,
    /// From the record with this number on; 0: all that there is, whatever is gone already.
    From {
        /// The number.
        seq: u64,
        /// Which run of the agent it belongs to: [`Page::run`]. If that is not the one that is asked, all is wanted.
        run: Option<String>,
    },
}

impl Cursor {
    /// Reads the parameters of the control command: none, a number, or a number and a run.
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
    /// Which run of the agent it is of: when that started.
    pub run: String,
    /// Number of the oldest record that is kept.
    pub oldest: u64,
    /// Where to read on.
    pub next: u64,
    /// Records between where it was to be read on and `next` that are gone.
    pub missed: u64,
    /// The records, in the order of their numbers.
    pub records: Vec<Record>,
}
