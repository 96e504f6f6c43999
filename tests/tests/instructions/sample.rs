//! Many runs of one thing, and what they come to.

/// The value in the middle. A timer interrupt in one run, or a helper's slow path in another, is not what a packet costs.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
