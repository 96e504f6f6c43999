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
    /// Known limit that it has to fail by; empty if there is none.
    pub limit: &'static str,
    /// Time that it took.
    pub seconds: f32,
}

impl Outcome {
    /// Makes the result of a scenario that has not run yet.
    pub fn new(scenario: &Scenario, kernel: &str) -> Self {
        Self { name: scenario.name.into(), kernel: kernel.into(), limit: scenario.limit, ..Self::default() }
    }

    /// Returns true if every expectation was met, or the scenario has failed by a known limit.
    pub fn passed(&self) -> bool {
        self.failures.is_empty() == self.limit.is_empty()
    }

    /// Returns the word for the result.
    pub fn word(&self) -> &'static str {
        match (self.failures.is_empty(), self.limit.is_empty()) {
            (true, true) => "ok",
            (false, false) => "limit",
            (false, true) => "FAILED",
            // Somebody has removed the limit, and the table still has it.
            (true, false) => "PASSED",
        }
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
    for outcome in outcomes {
        let Outcome { name, kernel, decap, encap, seconds, .. } = outcome;
        let (decap, encap, result) = (decap.unwrap_or("-"), encap.unwrap_or("-"), outcome.word());
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
    fn a_known_limit_has_to_be_there_still() {
        let limited = |failures: &[&str]| Outcome { limit: "the driver is slow", ..outcome("a", failures) };
        assert!(limited(&["10 packets were lost"]).passed());
        assert!(!limited(&[]).passed());
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
