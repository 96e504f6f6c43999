//! Logs each problem of forwarding once when it comes, and once when it goes.

use std::collections::{BTreeMap, BTreeSet};

use gateway_base::Cleared;
use gateway_common::counters::Paths;

/// Remembers the problems that were logged.
#[derive(Debug, Default)]
pub(super) struct Report {
    standing: BTreeSet<String>,
    paths: Paths,
}

impl Report {
    /// Logs the `problems` that are new, and those that have gone.
    pub(super) fn problems(&mut self, problems: impl Iterator<Item = String>) {
        let now: BTreeSet<String> = problems.collect();
        let subjects = |texts: &BTreeSet<String>| -> BTreeMap<String, String> {
            texts.iter().map(|text| (without_counts(text), text.clone())).collect()
        };
        let (before, after) = (subjects(&self.standing), subjects(&now));
        for (_, problem) in after.iter().filter(|(subject, _)| !before.contains_key(*subject)) {
            tracing::warn!("{problem}");
        }
        for (_, problem) in before.iter().filter(|(subject, _)| !after.contains_key(*subject)) {
            tracing::info!("{}", Cleared(problem));
        }
        self.standing = now;
    }

    /// Returns the standing problems.
    pub(super) fn texts(&self) -> &BTreeSet<String> {
        &self.standing
    }

    /// Logs what the kernel could not learn since the last call. The first call after a start only reads the counters.
    pub(super) fn learning(&mut self, paths: Paths, first: bool) {
        let before = std::mem::replace(&mut self.paths, paths);
        if first {
            return;
        }
        let refused = paths.learn_limit.wrapping_sub(before.learn_limit);
        if refused > 0 {
            tracing::warn!(
                refused,
                "frames from MACs that were not learned: their switch has learn_limit MACs, or its share of fdb_size, already"
            );
        }
        let full = paths.fdb_full.wrapping_sub(before.fdb_full);
        if full > 0 {
            tracing::warn!(
                full,
                "frames from MACs that were not learned: the forwarding database is full, raise fdb_size"
            );
        }
    }
}

/// Units after which a number counts as a current count.
const COUNTED: [&str; 6] = ["entries", "MACs", "tunnels", "bindings", "rows", "members"];

/// Removes the counts from a problem: with another count it is the same problem.
fn without_counts(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        let counted = COUNTED.contains(&words[at].trim_end_matches([',', ';', ':', '.']));
        if counted && words[at - 1].bytes().all(|byte| byte.is_ascii_digit()) {
            words[at - 1] = "#";
        }
    }
    words.join(" ")
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
