//! Control of the log of a running agent.

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::{
    Registry,
    filter::Targets,
    reload::{self, Handle},
};

use super::{
    levels::Levels,
    limit::Limit,
    vlog::{self, Destination, Spec, SpecError},
};

/// Error of setting levels.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A setting does not parse.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The log does not take a new filter.
    #[error(transparent)]
    Filter(#[from] reload::Error),
}

/// Handle of this process's log, to query and change it.
#[derive(Debug)]
pub struct Control {
    pub(super) levels: Mutex<Levels>,
    pub(super) filter: Handle<Targets, Registry>,
    pub(super) limit: Limit,
    pub(super) destination: Destination,
}

impl Control {
    /// Returns the levels of all modules, as `vlog/list` shows them.
    pub fn list(&self) -> String {
        vlog::list(&self.levels.lock().unwrap_or_else(PoisonError::into_inner), self.destination)
    }

    /// Sets levels as `vlog/set` does. If one of them is wrong, none is set.
    ///
    /// # Errors
    /// A setting does not parse, or this process no longer logs.
    pub fn set(&self, specs: &[String]) -> Result<(), SetError> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = levels.clone();
        for spec in specs {
            Spec::parse(spec, self.destination)?.apply(&mut new);
        }
        self.filter.reload(new.targets())?;
        *levels = new;
        Ok(())
    }

    /// Turns duplicate suppression on or off. It is on from the start.
    pub fn limit(&self, on: bool) {
        self.limit.set(on);
    }

    /// Returns the number of lines that were left out so far.
    pub fn left_out(&self) -> u64 {
        self.limit.left_out()
    }

    /// Returns the number of recent different lines that are remembered.
    pub fn remembered(&self) -> usize {
        self.limit.remembered()
    }

    /// Logs the reports of left-out lines that are due, or all of them if `at_once`. Call it every few seconds.
    pub fn report_left_out(&self, at_once: bool) {
        self.limit.report(at_once);
    }
}
