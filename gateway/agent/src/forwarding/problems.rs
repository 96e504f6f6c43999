//! Problems of forwarding: those of the last plan, those of the ports, and which of them are only warnings.

use std::collections::BTreeSet;

use gateway_common::counters::Paths;

use crate::{losses, report::Report};

/// Standing problems, logged once when they come and once when they go.
#[derive(Debug, Default)]
pub(super) struct Problems {
    report: Report,
    /// Problems of the last plan, and those of them that leave the gateway healthy.
    planned: (Vec<String>, BTreeSet<String>),
    /// Reason why losses are not counted.
    uncounted: Option<String>,
    /// Standing problems that leave the gateway healthy.
    warnings: BTreeSet<String>,
}

impl Problems {
    /// Sets the reason why losses are not counted.
    pub(super) fn set_uncounted(&mut self, reason: String) {
        self.uncounted = Some(reason);
    }

    /// Sets the problems of a plan, and those of them that leave the gateway healthy. [`Problems::report`] follows.
    pub(super) fn set_planned(&mut self, problems: Vec<String>, warnings: BTreeSet<String>) {
        self.planned = (problems, warnings);
    }

    /// Reports all problems, with the ports that lose frames, and frames that take the slow path.
    pub(super) fn report(&mut self, losses: Vec<losses::Problem>, slow: impl Iterator<Item = &'static str>) {
        let (mut problems, mut warnings) = self.planned.clone();
        for problem in losses {
            if problem.is_warning {
                warnings.insert(problem.text.clone());
            }
            problems.push(problem.text);
        }
        for text in slow {
            warnings.insert(text.to_owned());
            problems.push(text.to_owned());
        }
        if let Some(uncounted) = &self.uncounted {
            warnings.insert(uncounted.clone());
            problems.push(uncounted.clone());
        }
        self.warnings = warnings;
        self.report.problems(problems.into_iter());
    }

    /// Logs what the kernel could not learn since the last call. The first call after a start only reads the counters.
    pub(super) fn learning(&mut self, paths: Paths, first: bool) {
        self.report.learning(paths, first);
    }

    /// Returns the standing problems.
    pub(super) fn texts(&self) -> &BTreeSet<String> {
        self.report.texts()
    }

    /// Returns true if a problem leaves the gateway healthy.
    pub(super) fn is_warning(&self, text: &str) -> bool {
        self.warnings.contains(text)
    }
}
