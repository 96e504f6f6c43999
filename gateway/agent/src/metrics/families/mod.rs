//! All metrics: name, kind, labels, help text and source of the values. A test compares `docs/METRICS.md` with this
//! list.
//!
//! Names are written in full, so that a search for a name finds it here. A name ends with `_total` if it is a counter,
//! and before that with its unit, if it has one. No label is called `instance` or `job`: Prometheus adds those.

use std::fmt;

use super::exposition::{Scrape, Sink};

mod agent;
mod data_plane;
mod database;
mod vrrp;

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Value that grows, or restarts from zero.
    Counter,
    /// Value that goes up and down.
    Gauge,
    /// Constant; the information is in the labels.
    Info,
}

/// A metric.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    /// One line, without characters that would have to be escaped.
    pub(super) help: &'static str,
    pub(super) samples: Samples,
}

type Samples = fn(&Scrape, &mut Sink<'_>) -> fmt::Result;

/// Metrics that belong together.
pub(super) struct Group {
    /// Heading in the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference has it, which only a test looks at"))]
    pub(super) heading: &'static str,
    pub(super) families: &'static [Family],
}

/// All groups, in the order in which they are exposed and described.
pub(super) const GROUPS: [Group; 4] = [
    Group { heading: "Traffic and forwarding", families: data_plane::FAMILIES },
    Group { heading: "Database", families: database::FAMILIES },
    Group { heading: "Virtual routers", families: vrrp::FAMILIES },
    Group { heading: "Agent and process", families: agent::FAMILIES },
];

/// Returns the metrics of all groups.
pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    GROUPS.iter().flat_map(|group| group.families)
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str, samples: Samples) -> Family {
    Family { name, kind: Kind::Counter, labels, help, samples }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str, samples: Samples) -> Family {
    Family { name, kind: Kind::Gauge, labels, help, samples }
}

const fn info(name: &'static str, labels: &'static [&'static str], help: &'static str, samples: Samples) -> Family {
    Family { name, kind: Kind::Info, labels, help, samples }
}

#[cfg(test)]
mod tests;
