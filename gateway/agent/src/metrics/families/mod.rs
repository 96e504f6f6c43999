//! All metrics: name, kind, labels, text, and where the values come from. `docs/METRICS.md` is held to this list.
//!
//! A name is complete, so that it is found by whoever looks for it here. It ends with `_total` if it is a counter, and before
//! that with the unit, if there is one. No label is called `instance` or `job`: Prometheus puts those on.

use std::fmt;

use super::exposition::{Scrape, Sink};

mod agent;
mod data_plane;
mod database;
mod vrrp;

/// What values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They grow, or start anew.
    Counter,
    /// They go up and down.
    Gauge,
    /// All is in the labels.
    Info,
}

/// A metric.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    /// One line, without what would have to be escaped.
    pub(super) help: &'static str,
    pub(super) samples: Samples,
}

type Samples = fn(&Scrape, &mut Sink<'_>) -> fmt::Result;

/// Metrics that belong together.
pub(super) struct Group {
    /// As a heading.
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference has it, which only a test looks at"))]
    pub(super) heading: &'static str,
    pub(super) families: &'static [Family],
}

/// All of them, in the order in which they are exposed and described.
pub(super) const GROUPS: [Group; 4] = [
    Group { heading: "Traffic and forwarding", families: data_plane::FAMILIES },
    Group { heading: "Database", families: database::FAMILIES },
    Group { heading: "Virtual routers", families: vrrp::FAMILIES },
    Group { heading: "Agent and process", families: agent::FAMILIES },
];

/// The metrics of all groups.
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
