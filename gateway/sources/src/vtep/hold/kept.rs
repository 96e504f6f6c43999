//! Logical switches that are kept although the database no longer has them, or no longer as they were.

use std::{sync::Arc, time::Duration};

use gateway_config::rows::{LogicalSwitch, Rows};

/// Logical switch that forwards as before.
#[derive(Debug)]
pub(super) struct Kept {
    /// Time since which it is kept.
    pub(super) since: Duration,
    /// True if its bindings are kept too.
    pub(super) bindings: bool,
    /// The switch in force.
    pub(super) switch: Arc<LogicalSwitch>,
}

/// Returns true if a switch forwards, so that it is worth keeping.
pub(super) fn forwards(switch: &LogicalSwitch) -> bool {
    switch.vni.is_some() && !switch.bindings.is_empty()
}

/// Merges a kept switch with the current rows of the database. `None`: the switch follows the database again.
pub(super) fn merge(name: &str, kept: &Kept, current: &Rows) -> Option<LogicalSwitch> {
    let Kept { bindings, switch, .. } = kept;
    if current.switches.iter().any(|(other, row)| other != name && row.vni == switch.vni) {
        return None;
    }
    let filled = |now: &LogicalSwitch| {
        now.vni.is_some() && (now.vni != switch.vni || !now.macs.is_empty() || !now.flood.is_empty())
    };
    let row = current.switches.get(name);
    let Some(now) = row.filter(|now| !now.bindings.is_empty()) else {
        return bindings.then(|| {
            let kept = without_taken(name, switch, current);
            match row.filter(|row| filled(row)) {
                // A controller continues to fill the switch: only the bindings are kept.
                Some(row) => LogicalSwitch { bindings: kept.bindings, ..(**row).clone() },
                None => kept,
            }
        });
    };
    (!filled(now)).then(|| LogicalSwitch { bindings: now.bindings.clone(), ..(**switch).clone() })
}

/// Returns `kept` without the bindings that now belong to another switch.
fn without_taken(name: &str, kept: &LogicalSwitch, current: &Rows) -> LogicalSwitch {
    let others = || current.switches.iter().filter(|(other, _)| *other != name);
    let mut kept = kept.clone();
    kept.bindings.retain(|binding| !others().any(|(_, other)| other.bindings.contains(binding)));
    kept
}
