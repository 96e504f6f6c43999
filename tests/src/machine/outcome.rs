//! Results of scenarios: as a table, and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::scenario::{Path, Scenario};

/// Result of one scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Path that carried known unicast from tunnels; `None` if that was not measured.
    pub decap: Option<&'static str>,
    /// Path that carried known unicast to tunnels.
    pub encap: Option<&'static str>,
    /// Problems that the agent reported under traffic.
    pub problems: Vec<String>,
    /// Expectations that were not met; empty if the scenario passed.
    pub failures: Vec<String>,
    /// Time that it took.
    pub seconds: f32,
}

impl Outcome {
    /// Makes the result of a scenario that has not run yet.
    pub fn new(scenario: &Scenario, kernel: &str) -> Self {
        Self { name: scenario.name.into(), kernel: kernel.into(), ..Self::default() }
    }

    /// Returns true if every expectation was met.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Compares a measured path with the expected one.
    pub(super) fn carried(
        &mut self,
        what: &str,
        expected: Path,
        measured: anyhow::Result<Path>,
    ) -> Option<&'static str> {
        match measured {
            Ok(path) => {
                if path != expected {
                    self.failures.push(format!("{what} is carried by {path}, not by {expected}"));
                }
                Some(path.word())
            }
            Err(trouble) => {
                self.failures.push(format!("{what}: {trouble:#}"));
                None
            }
        }
    }
}

/// Formats results as a table, with the failures below.
pub fn table(outcomes: &[Outcome]) -> String {
    let width = outcomes.iter().map(|one| one.name.len()).max().unwrap_or(0).max("scenario".len());
    let kernels = outcomes.iter().map(|one| one.kernel.len()).max().unwrap_or(0).max("kernel".len());
    let mut text = format!("{:width$}  {:kernels$}  decap  encap  result     time\n", "scenario", "kernel");
    for Outcome { name, kernel, decap, encap, failures, seconds, .. } in outcomes {
        let result = if failures.is_empty() { "ok" } else { "FAILED" };
        let (decap, encap) = (decap.unwrap_or("-"), encap.unwrap_or("-"));
        let _ = writeln!(text, "{name:width$}  {kernel:kernels$}  {decap:5}  {encap:5}  {result:6}  {seconds:6.1}s");
    }
    for outcome in outcomes {
        for failure in &outcome.failures {
            let _ = write!(text, "\n{}: {failure}", outcome.name);
        }
    }
    text
}

/// Returns the line that readers of test results expect.
pub fn summary(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|one| !one.passed()).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    format!("test result: {word}. {} passed; {failed} failed; 0 ignored", outcomes.len() - failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, failures: &[&str]) -> Outcome {
        let failures = failures.iter().map(|&text| text.to_owned()).collect();
        Outcome { name: name.into(), failures, ..Outcome::default() }
    }

    #[test]
    fn the_table_has_a_row_for_each_and_the_reasons_of_failures() {
        let text = table(&[outcome("plain", &[]), outcome("bond", &["10 packets were lost"])]);
        assert!(text.lines().any(|line| line.starts_with("plain ") && line.contains("ok")), "{text}");
        assert!(text.contains("\nbond: 10 packets were lost"), "{text}");
    }

    #[test]
    fn a_failure_counts_as_a_failed_test() {
        let outcomes = [outcome("a", &[]), outcome("b", &["x", "y"]), outcome("c", &[])];
        assert_eq!(summary(&outcomes), "test result: FAILED. 2 passed; 1 failed; 0 ignored");
        assert_eq!(summary(&outcomes[..1]), "test result: ok. 1 passed; 0 failed; 0 ignored");
    }

    #[test]
    fn another_path_than_the_expected_one_is_a_failure() {
        let mut outcome = outcome("a", &[]);
        assert_eq!(outcome.carried("decap", Path::Xdp, Ok(Path::Xdp)), Some("XDP"));
        assert!(outcome.passed());
        assert_eq!(outcome.carried("decap", Path::Xdp, Ok(Path::Tc)), Some("TC"));
        assert!(!outcome.passed());
    }
}
