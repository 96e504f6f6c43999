//! Log lines for VLANs that are bound or unbound.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gateway_common::net::VlanId;
use gateway_config::rows::{LogicalSwitch, Rows};

/// Limit of bindings of one change that the log names.
const NAMED: usize = 50;

/// Record of the bindings, for the log.
#[derive(Debug, Default)]
pub(super) struct BindingLog {
    rows: Arc<Rows>,
    bound: BTreeMap<(String, VlanId), String>,
}

impl BindingLog {
    /// Compares with the rows now in force. Returns a line for each binding that was added, moved or removed.
    pub(super) fn changes(&mut self, rows: &Arc<Rows>) -> Vec<String> {
        if Arc::ptr_eq(&self.rows, rows) || self.same_bindings(rows) {
            self.rows = Arc::clone(rows);
            return Vec::new();
        }
        self.rows = Arc::clone(rows);
        let bound = bindings(rows);
        let before = std::mem::replace(&mut self.bound, bound);
        let all: BTreeSet<&(String, VlanId)> = before.keys().chain(self.bound.keys()).collect();
        let mut lines = Vec::new();
        for binding in all {
            let (port, vlan) = binding;
            let what = if *vlan == VlanId::UNTAGGED {
                format!("untagged traffic of port {port:?}")
            } else {
                format!("VLAN {vlan} of port {port:?}")
            };
            lines.extend(match (before.get(binding), self.bound.get(binding)) {
                (None, Some(now)) => Some(format!("{what} is bound to logical switch {now:?}")),
                (Some(before), None) => Some(format!("{what} is no longer bound to logical switch {before:?}")),
                (Some(before), Some(now)) if before != now => {
                    Some(format!("{what} is bound to logical switch {now:?}, and no longer to {before:?}"))
                }
                _ => None,
            });
        }
        if lines.len() > NAMED {
            let more = lines.len() - NAMED;
            lines.truncate(NAMED);
            lines.push(format!("{more} more bindings have come or gone"));
        }
        lines
    }

    /// Returns true if a comparison of the switches alone shows that the bindings are the same. MACs change all the
    /// time, so this has to be cheap.
    fn same_bindings(&self, rows: &Rows) -> bool {
        let same = |(old, new): (&Arc<LogicalSwitch>, &Arc<LogicalSwitch>)| {
            Arc::ptr_eq(old, new) || old.bindings == new.bindings
        };
        let (old, new) = (&self.rows.switches, &rows.switches);
        old.keys().eq(new.keys()) && old.values().zip(new.values()).all(same)
    }
}

fn bindings(rows: &Rows) -> BTreeMap<(String, VlanId), String> {
    let all = rows.switches.iter();
    all.flat_map(|(name, switch)| switch.bindings.iter().map(|binding| (binding.clone(), name.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bound: &[(&str, u16)]) -> Arc<Rows> {
        let mut rows = Rows::default();
        for (name, vlan) in bound {
            let switch = rows.switches.entry((*name).to_owned()).or_default();
            Arc::make_mut(switch).bindings.insert(("eth1".to_owned(), VlanId::new(*vlan).unwrap()));
        }
        Arc::new(rows)
    }

    #[test]
    fn each_binding_that_comes_moves_or_goes_is_logged_once() {
        let mut binding_log = BindingLog::default();
        assert_eq!(
            binding_log.changes(&rows(&[("red", 100)])),
            [r#"VLAN 100 of port "eth1" is bound to logical switch "red""#]
        );
        assert_eq!(binding_log.changes(&rows(&[("red", 100)])), [""; 0]);
        let moved = r#"VLAN 100 of port "eth1" is bound to logical switch "blue", and no longer to "red""#;
        assert_eq!(binding_log.changes(&rows(&[("blue", 100)])), [moved]);
        let gone = r#"VLAN 100 of port "eth1" is no longer bound to logical switch "blue""#;
        assert_eq!(binding_log.changes(&rows(&[])), [gone]);
        let untagged = r#"untagged traffic of port "eth1" is bound to logical switch "red""#;
        assert_eq!(binding_log.changes(&rows(&[("red", 0)])), [untagged]);
    }

    #[test]
    fn of_many_bindings_a_few_are_named() {
        let many: Vec<(&str, u16)> = (1..=1000).map(|vlan| ("red", vlan)).collect();
        let lines = BindingLog::default().changes(&rows(&many));
        assert_eq!((lines.len(), lines[NAMED].as_str()), (NAMED + 1, "950 more bindings have come or gone"));
    }
}
