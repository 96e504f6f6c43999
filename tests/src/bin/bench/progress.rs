//! Progress reports: on standard error, because standard output is for the result.

/// Reports a step.
pub(crate) fn step(what: &str) {
    eprintln!("bench: {what}");
}
