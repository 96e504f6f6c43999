//! One stage of a test run.

use std::{
    io,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::Tally;
use crate::{
    child::{self, Ended},
    interrupt,
};

/// Time limit of a stage, after which it counts as hung.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Result of a stage.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(super) name: String,
    /// Reason of its failure, if it failed.
    pub(super) failure: Option<String>,
    pub(super) tally: Tally,
    pub(super) took: Duration,
}

impl Stage {
    /// Runs a stage: `work` runs the check and counts its tests.
    pub(crate) fn run(name: &str, work: impl FnOnce(&mut Tally) -> Result<()>) -> Self {
        println!("\n=== {name}");
        let start: Instant = child::now();
        let mut tally = Tally::default();
        let outcome = work(&mut tally);
        let failure = match outcome {
            _ if interrupt::happened() => Some("interrupted".to_owned()),
            Ok(()) => None,
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(failure) = &failure {
            println!("{name}: {failure}");
            // A failure without a failed test (a lint, a build, a VM) counts as one.
            tally.failed = tally.failed.max(1);
        }
        Self { name: name.to_owned(), failure, tally, took: child::now() - start }
    }
}

/// Runs a command as a stage's work. Its output is passed on, and parsed for results of tests.
pub(crate) fn command(command: &mut Command, tally: &mut Tally) -> Result<()> {
    match child::stream(command, LIMIT, io::stdout(), |line| tally.read(line))? {
        Ended::Exited(status) if status.success() => Ok(()),
        Ended::Exited(status) => bail!("`{}`: {status}", child::shown(command)),
        Ended::TimedOut => bail!("`{}` was not through after {} minutes", child::shown(command), LIMIT.as_secs() / 60),
    }
}
