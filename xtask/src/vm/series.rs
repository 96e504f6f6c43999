//! The kernel series, and where each comes from.

use super::archive::Suite;

/// A kernel series that the packet tests can run on.
#[derive(Debug)]
pub(super) struct Series {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// Beginning of its releases.
    pub(super) releases: &'static str,
    /// The suites of Debian's archive that have it; if empty, it is in the machine's own sources of apt.
    pub(super) suites: &'static [Suite],
    /// Name of the only test that makes sense on it; `None`: all do.
    pub(super) only: Option<&'static str>,
}

/// The test that a kernel that is too old passes by refusing the programs, for the reasons that the preflight names.
const REFUSAL: &str = "programs_load_where_the_preflight_misses_nothing";

const BULLSEYE: Suite = Suite { archive: "debian", name: "bullseye" };
const BULLSEYE_SECURITY: Suite = Suite { archive: "debian-security", name: "bullseye-security" };
const SID: Suite = Suite { archive: "debian", name: "sid" };

/// All series that Debian's archive has, oldest first. It has no 5.15 and no 6.6.
pub(super) const ALL: [Series; 4] = [
    Series { name: "5.10", releases: "5.10.", suites: &[BULLSEYE, BULLSEYE_SECURITY], only: Some(REFUSAL) },
    Series { name: "6.1", releases: "6.1.", suites: &[], only: None },
    Series { name: "6.12", releases: "6.12.", suites: &[], only: None },
    Series { name: "newest", releases: "", suites: &[SID], only: None },
];

/// The series of the gate: the oldest supported one, and the current long-term one.
pub(crate) const GATE: [&str; 2] = ["6.1", "6.12"];

/// Stands for all series on the command line.
const EVERY: &str = "all";

/// Returns the names that the command line takes.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|series| series.name).chain([EVERY]).collect()
}

/// Returns the series of this name.
pub(super) fn named(name: &str) -> Option<&'static Series> {
    ALL.iter().find(|series| series.name == name)
}

/// Returns the names of the series that were chosen: those of the gate if none was.
pub(super) fn chosen(words: &[String]) -> Vec<&'static str> {
    let is_chosen = |name: &str| match words {
        [] => GATE.contains(&name),
        _ => words.iter().any(|word| word == name || word == EVERY),
    };
    ALL.iter().map(|series| series.name).filter(|name| is_chosen(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_by(words: &[&str]) -> Vec<&'static str> {
        chosen(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_a_choice_the_series_are_those_of_the_gate() {
        assert_eq!(chosen_by(&[]), GATE);
    }

    #[test]
    fn one_word_stands_for_all_series() {
        assert_eq!(chosen_by(&["all"]).len(), ALL.len());
        assert_eq!(chosen_by(&["6.12", "5.10"]), ["5.10", "6.12"]);
    }

    #[test]
    fn the_gate_runs_every_test_of_its_series() {
        for name in GATE {
            assert!(named(name).is_some_and(|series| series.only.is_none()), "{name}");
        }
    }
}
