//! All results, in the form of the JSON output.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    compare::Compared, control::Control, cpus::Cpus, flood::Flooded, latency::Latency, machine::Machine,
    memory::Memory, rounds::Effort, scale::Scaled, traffic::Direction,
};

/// The report. A part that was not requested is `None`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    #[serde(flatten)]
    pub(crate) effort: Effort,
    pub(crate) decap: Option<Compared>,
    pub(crate) encap: Option<Compared>,
    pub(crate) local: Option<Compared>,
    pub(crate) scale: Option<Scaled>,
    pub(crate) cpus: Option<Cpus>,
    pub(crate) latency: Option<Latency>,
    pub(crate) flood: Option<Vec<Flooded>>,
    /// Own time of the programs, by hook and direction.
    pub(crate) calls: Option<BTreeMap<String, f64>>,
    pub(crate) memory: Option<Memory>,
    /// The control plane.
    pub(crate) control: Option<Control>,
}

impl Report {
    /// Makes an empty report.
    pub(crate) fn empty(machine: Machine, effort: Effort) -> Self {
        Self {
            machine,
            effort,
            decap: None,
            encap: None,
            local: None,
            scale: None,
            cpus: None,
            latency: None,
            flood: None,
            calls: None,
            memory: None,
            control: None,
        }
    }

    /// Returns the results of a direction.
    pub(crate) fn direction(&mut self, direction: Direction) -> &mut Option<Compared> {
        match direction {
            Direction::Decap => &mut self.decap,
            Direction::Encap => &mut self.encap,
            Direction::Local => &mut self.local,
        }
    }
}

/// Rounds nanoseconds to a tenth.
pub(crate) fn ns(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Rounds millions of packets each second to a thousand packets.
pub(crate) fn mpps(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Rounds a ratio to a hundredth.
pub(crate) fn ratio(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
