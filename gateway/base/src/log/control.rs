//! What a running agent has of its log.

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::{Registry, filter::Targets, reload::Handle};

use super::{
    levels::Levels,
    limit::Limit,
    vlog::{self, Destination, Spec},
};

/// The log of this process, to be asked and changed.
#[derive(Debug)]
pub struct Control {
    pub(super) levels: Mutex<Levels>,
    pub(super) filter: Handle<Targets, Registry>,
    pub(super) limit: Limit,
    pub(super) destination: Destination,
}

impl Control {
    /// The levels of all modules, as `vlog/list` shows them.
    pub fn list(&self) -> String {
        vlog::list(&self.levels.lock().unwrap_or_else(PoisonError::into_inner), self.destination)
    }

    /// Sets levels as `vlog/set` is told to: all of them, or, where something is wrong with one, none.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn set(&self, specs: &[String]) -> Result<(), String> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = levels.clone();
        for spec in specs {
            Spec::parse(spec, self.destination)?.apply(&mut new);
        }
        self.filter.reload(new.targets()).map_err(|error| error.to_string())?;
        *levels = new;
        Ok(())
    }

    /// Has lines left out where there are too many alike, as is the case from the start, or has it not.
    pub fn limit(&self, on: bool) {
        self.limit.set(on);
    }

    /// How many lines were left out so far.
    pub fn left_out(&self) -> u64 {
        self.limit.left_out()
    }

    /// How many different lines of late are remembered.
    pub fn remembered(&self) -> usize {
        self.limit.remembered()
    }

    /// Says what was left out a while ago, or `at_once` all of it. To be called every few seconds.
    pub fn tell_left_out(&self, at_once: bool) {
        self.limit.tell(at_once);
    }
}
