//! All metrics: name, kind, labels, help text and source of the values. A test compares `docs/METRICS.md` with this
//! list.
//!
//! Names are written in full, so that a search for a name finds it here. A name ends with `_total` if it is a counter,
//! and before that with its unit, if it has one. No label is called `instance` or `job`: Prometheus adds those.

mod agent;
mod data_plane;
mod database;
mod family;
mod vrrp;

pub(super) use family::{Family, Kind};

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

#[cfg(test)]
mod tests;
