//! All that came out, as it goes into JSON.

use serde::Serialize;

use crate::{compare::Compared, machine::Machine, rounds::Effort};

/// The report. What was not asked for is `None`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    #[serde(flatten)]
    pub(crate) effort: Effort,
    pub(crate) decap: Option<Compared>,
    pub(crate) encap: Option<Compared>,
    pub(crate) local: Option<Compared>,
}

/// Nanoseconds, to a tenth.
pub(crate) fn ns(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Millions of packets each second, to a thousand packets.
pub(crate) fn mpps(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// How many times as much, to a hundredth.
pub(crate) fn ratio(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
