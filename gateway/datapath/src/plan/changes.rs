//! Incremental plan for the most frequent change: stations behind existing tunnels that appear, disappear or move.
//!
//! A plan covers everything, and with 100,000 MACs that takes a while. If two sets of rows differ only in remote MACs,
//! only these are planned.

use std::sync::Arc;

use gateway_common::fdb::FdbKey;
use gateway_config::{
    Config,
    rows::{Location, LogicalSwitch, Rows},
};

use super::{bound, remote_place};
use crate::desired::{Desired, Place};

/// Returns the MACs whose place differs between `old`, from which `desired` was made, and `new`. A place of `None`
/// means that the MAC is removed. Returns `None` if more than that differs, and a whole plan is needed.
pub fn mac_changes(config: &Config, old: &Rows, new: &Rows, desired: &Desired) -> Option<Vec<(FdbKey, Option<Place>)>> {
    if !old.switches.keys().eq(new.switches.keys()) || old.refused != new.refused {
        return None;
    }
    let (forwarding, _) = bound(new);
    let mut changes = Vec::new();
    for (before, after) in old.switches.values().zip(new.switches.values()) {
        if Arc::ptr_eq(before, after) {
            continue;
        }
        if !same_but_for_macs(before, after) {
            return None;
        }
        let Some(vni) = after.vni else { continue };
        // Another switch has its VNI, so its stations have no place.
        if !forwarding.iter().any(|bound| std::ptr::eq(bound.switch, &raw const **after)) {
            continue;
        }
        for mac in before.macs.differing(&after.macs) {
            let place = match after.macs.get(&mac) {
                None => None,
                Some(Location::Port { .. }) => return None,
                Some(Location::Remote(remote)) => match remote_place(config, after, vni, remote) {
                    Some(place) if is_there(&place, desired) => Some(place),
                    // A tunnel that is to be made, or can't be made.
                    _ => return None,
                },
            };
            changes.push((FdbKey::new(vni.get(), mac.0), place));
        }
    }
    Some(changes)
}

fn same_but_for_macs(a: &LogicalSwitch, b: &LogicalSwitch) -> bool {
    let facts = |switch: &LogicalSwitch| (switch.vni, switch.instance, switch.learn_remote, switch.learn_limit);
    facts(a) == facts(b) && a.contested == b.contested && a.bindings == b.bindings && a.flood == b.flood
}

fn is_there(place: &Place, desired: &Desired) -> bool {
    matches!(place, Place::Remote { ends, .. } if desired.tunnels.contains_key(ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{many_macs, one_remote_more, world};

    #[test]
    fn one_mac_more_among_many_is_one_change() {
        let (config, underlay) = world();
        let old = many_macs(10_000);
        let new = one_remote_more(&old);
        let desired = crate::plan::plan(&config, &old, &underlay, std::collections::BTreeSet::new()).desired;
        let changes = mac_changes(&config, &old, &new, &desired).unwrap();
        assert_eq!(changes.len(), 1);
        let whole = crate::plan::plan(&config, &new, &underlay, std::collections::BTreeSet::new()).desired;
        let (key, place) = changes[0];
        assert_eq!(whole.macs.get(&key).copied(), place);
        let back = mac_changes(&config, &new, &old, &whole).unwrap();
        assert_eq!(back, [(key, None)]);
    }

    #[test]
    fn more_than_macs_asks_for_a_whole_plan() {
        let (config, underlay) = world();
        let old = many_macs(10);
        let desired = crate::plan::plan(&config, &old, &underlay, std::collections::BTreeSet::new()).desired;
        let mut new = old.clone();
        for switch in new.switches.values_mut() {
            Arc::make_mut(switch).flood.clear();
        }
        assert_eq!(mac_changes(&config, &old, &new, &desired), None);
    }
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod cost_tests;
