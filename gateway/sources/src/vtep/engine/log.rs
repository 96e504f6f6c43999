//! Lines for the log.

use std::collections::BTreeSet;

use gateway_base::Cleared;

/// Line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogLine {
    /// A message that needs the attention of an operator.
    Warning(String),
    /// Normal operation, or its recovery.
    Info(String),
    /// Details for debugging.
    Debug(String),
}

/// Lines that are not logged yet.
#[derive(Debug, Default)]
pub(super) struct Log(Vec<LogLine>);

impl Log {
    /// Adds a warning.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.0.push(LogLine::Warning(text.into()));
    }

    /// Adds a line about normal operation.
    pub(super) fn info(&mut self, text: impl Into<String>) {
        self.0.push(LogLine::Info(text.into()));
    }

    /// Adds a line for debugging.
    pub(super) fn debug(&mut self, text: impl Into<String>) {
        self.0.push(LogLine::Debug(text.into()));
    }

    /// Adds a line for each problem that has come since `before`, and for each that is over.
    pub(super) fn changes(&mut self, before: &BTreeSet<String>, now: &BTreeSet<String>) {
        now.difference(before).for_each(|problem| self.warn(problem.as_str()));
        before.difference(now).for_each(|problem| self.info(Cleared(problem).to_string()));
    }

    /// Removes and returns all lines.
    pub(super) fn take(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.0)
    }
}
