//! A stage that runs beside others, on a thread of its own, and is shown once it is through.

use std::{
    io::{self, Write},
    process::Command,
    thread::{Scope, ScopedJoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::unistd::gettid;

use super::{Stage, Tally};
use crate::child::{self, Console};

/// When a stage beside others gets a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// As they do.
    Equal,
    /// When they leave one idle: scheduling policy `SCHED_IDLE` of sched(7), which the stage's programs inherit.
    Idle,
}

/// A stage that has been started.
pub(super) struct Beside<'scope> {
    name: String,
    running: ScopedJoinHandle<'scope, Done>,
}

struct Done {
    outcome: Result<()>,
    tally: Tally,
    console: Vec<u8>,
    took: Duration,
}

impl<'scope> Beside<'scope> {
    /// Starts a stage. `work` runs the check, counts its tests, and writes to the console what [`Beside::finish`] shows.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        name: &str,
        share: Share,
        work: impl FnOnce(&mut Tally, &Console) -> Result<()> + Send + 'scope,
    ) -> Self {
        let run = move || {
            let (mut tally, console, start) = (Tally::default(), Console::kept(), child::now());
            let yielded = if share == Share::Idle { yield_processors() } else { Ok(()) };
            let outcome = yielded.and_then(|()| work(&mut tally, &console));
            Done { outcome, tally, console: console.into_bytes(), took: child::now() - start }
        };
        Self { name: name.to_owned(), running: scope.spawn(run) }
    }

    /// Waits for the end of the stage, and shows its console.
    pub(super) fn finish(self) -> Stage {
        let Ok(Done { outcome, tally, console, took }) = self.running.join() else {
            return Stage::run(&self.name, |_| bail!("its thread has panicked"));
        };
        let mut stage = Stage::run(&self.name, |counted| {
            io::stdout().write_all(&console)?;
            *counted = tally;
            outcome
        });
        stage.took = took;
        stage
    }
}

/// Gives this thread, and all that it starts, only the time that others leave.
fn yield_processors() -> Result<()> {
    let mut chrt = Command::new("chrt");
    chrt.args(["--idle", "--pid", "0", &gettid().to_string()]);
    child::run(&mut chrt).context("cannot leave the processors to the other stages")
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// Field 41 of proc_pid_stat(5), of this thread.
    fn policy() -> String {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = stat.rsplit(") ").next().unwrap();
        after_name.split_whitespace().nth(38).unwrap().to_owned()
    }

    fn policy_beside(share: Share) -> String {
        let mut seen = String::new();
        thread::scope(|scope| {
            let work = |_: &mut Tally, _: &Console| {
                seen = policy();
                Ok(())
            };
            assert_eq!(Beside::start(scope, "beside", share, work).finish().failure, None);
        });
        seen
    }

    #[test]
    fn an_idle_stage_alone_leaves_the_processors_to_others() {
        const SCHED_IDLE: &str = "5";
        assert_eq!(policy_beside(Share::Idle), SCHED_IDLE);
        assert_eq!(policy_beside(Share::Equal), policy());
        assert_ne!(policy(), SCHED_IDLE);
    }

    #[test]
    fn results_of_a_stage_beside_others_are_its_own() {
        thread::scope(|scope| {
            let beside = Beside::start(scope, "beside", Share::Equal, |tally, _| {
                tally.passed = 3;
                bail!("harm")
            });
            let stage = beside.finish();
            assert_eq!((stage.tally.passed, stage.tally.failed), (3, 1));
            assert_eq!(stage.failure.as_deref(), Some("harm"));
        });
    }
}
