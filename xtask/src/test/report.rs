//! Result of a test run: a table of its stages, and the counts.

use std::{fmt::Write, process::ExitCode};

use super::{Stage, Tally};

/// The stages that have run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    stages: Vec<Stage>,
}

impl Report {
    pub(crate) fn add(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// Prints the table and the counts. Returns the exit code.
    pub(crate) fn conclude(&self) -> ExitCode {
        println!("\n{}", self.text());
        if self.stages.iter().any(|stage| stage.failure.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn text(&self) -> String {
        let width = self.stages.iter().map(|stage| stage.name.len()).max().unwrap_or(0).max("stage".len());
        let mut text = format!("{:width$}  result  passed  failed  ignored     time\n", "stage");
        let mut sum = Tally::default();
        for Stage { name, failure, tally, took } in &self.stages {
            let result = if failure.is_some() { "FAILED" } else { "ok" };
            let Tally { passed, failed, ignored } = tally;
            let seconds = took.as_secs_f32();
            let _ = writeln!(text, "{name:width$}  {result:6}  {passed:6}  {failed:6}  {ignored:7}  {seconds:6.1}s");
            sum.add(*tally);
        }
        for Stage { name, failure, .. } in &self.stages {
            if let Some(failure) = failure {
                let _ = write!(text, "\n{name} failed: {failure}");
            }
        }
        if self.stages.iter().any(|stage| stage.failure.is_some()) {
            text.push('\n');
        }
        // The very last line, for readers of only that line.
        let _ = write!(text, "\n{} passed, {} failed", sum.passed, sum.failed);
        text
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn the_last_line_is_the_sum_of_all_stages() {
        let mut report = Report::default();
        for passed in [2, 3] {
            report.add(Stage::run("tests", |tally| {
                tally.passed = passed;
                Ok(())
            }));
        }
        assert_eq!(report.text().lines().last(), Some("5 passed, 0 failed"));
    }

    #[test]
    fn a_stage_that_fails_without_a_failing_test_counts_as_one() {
        let mut report = Report::default();
        report.add(Stage::run("lint", |_| bail!("untidy")));
        assert_eq!(report.text().lines().last(), Some("0 passed, 1 failed"));
    }

    #[test]
    fn a_stage_counts_the_tests_that_failed_not_itself() {
        let mut report = Report::default();
        report.add(Stage::run("tests", |tally| {
            tally.failed = 4;
            bail!("exit code 101")
        }));
        assert_eq!(report.text().lines().last(), Some("0 passed, 4 failed"));
    }
}
