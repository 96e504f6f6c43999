//! What is being done, for who waits: on standard error, so that the result has standard output for itself.

/// Tells of a step.
pub(crate) fn step(what: &str) {
    eprintln!("bench: {what}");
}
