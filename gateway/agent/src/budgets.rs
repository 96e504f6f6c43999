//! Reports the VLANs and tunnels that exceed their part of a shared budget. The programs refuse the excess and count
//! it.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    budget::{Spent, of_binding, of_tunnel},
    counters::Paths,
};
use gateway_datapath::{Maps, Programmed, maps::MapsError};
use gateway_netdev::underlay::Snapshot;

/// Refusals at the last poll.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// Sum of all places.
    total: Option<u64>,
    /// By place, see [`gateway_common::budget::place`].
    refused: BTreeMap<u32, [u64; 3]>,
    problems: BTreeSet<String>,
}

impl Budgets {
    /// Checks for budgets that have refused something since the last poll. Returns true if they have changed.
    /// The first poll after a start only reads the counters. The check costs nothing while there are no refusals.
    pub(super) fn poll(
        &mut self,
        paths: &Paths,
        maps: &Maps,
        programmed: &Programmed,
        underlay: &Snapshot,
    ) -> Result<bool, MapsError> {
        let total = paths.learn_budget.wrapping_add(paths.move_budget).wrapping_add(paths.snoop_budget);
        let before = self.total.replace(total);
        if before == Some(total) {
            return Ok(self.now(BTreeSet::new()));
        }
        let port = |ifindex: u32| {
            let found = underlay.links.iter().find(|(_, link)| link.ifindex == ifindex);
            found.map_or_else(|| format!("if{ifindex}"), |(name, _)| name.clone())
        };
        let bindings = programmed.bindings.iter();
        let bindings = bindings
            .map(|(key, binding)| (of_binding(binding.id), format!("VLAN {} of {}", key.vlan, port(key.ifindex))));
        let tunnels = programmed
            .remote_vteps
            .iter()
            .map(|(ends, id)| (of_tunnel(*id), format!("the tunnel to {}", std::net::IpAddr::from(ends.remote))));
        let mut acted = BTreeSet::new();
        for (place, name) in bindings.chain(tunnels) {
            let refused = maps.budget(place)?.refused;
            let known = self.refused.insert(place, refused).unwrap_or_default();
            if before.is_some() {
                acted.extend(text(&name, known, refused));
            }
        }
        Ok(self.now(acted))
    }

    fn now(&mut self, problems: BTreeSet<String>) -> bool {
        let changed = self.problems != problems;
        self.problems = problems;
        changed
    }

    /// Returns the problems of the budgets that have refused something.
    pub(super) fn problems(&self) -> impl Iterator<Item = &String> {
        self.problems.iter()
    }
}

/// Returns the problems of one place.
fn text(name: &str, known: [u64; 3], refused: [u64; 3]) -> impl Iterator<Item = String> {
    let acted = Spent::ALL.into_iter().filter(move |what| refused[*what as usize] > known[*what as usize]);
    acted.map(move |what| {
        let rate = 1_000_000_000 / what.rate().each;
        match what {
            Spent::Learn => format!(
                "{name}: new MACs appear faster than the {rate} a second that are learned, and frames to the others are \
                 flooded: look for a machine that forges its source addresses"
            ),
            Spent::Move => format!(
                "{name}: MACs move here faster than the {rate} a second that are followed: look for a loop, or a machine \
                 that forges its source addresses"
            ),
            Spent::Snoop => format!(
                "{name}: IP addresses are announced faster than the {rate} a second that are published: look for a machine \
                 that forges ARP or neighbour discovery"
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_budget_that_acted_is_reported_with_the_name_of_its_place() {
        let texts: Vec<_> = text("VLAN 100 of eth1", [1, 2, 3], [2, 2, 4]).collect();
        assert_eq!(texts.len(), 2);
        assert!(
            texts[0].starts_with("VLAN 100 of eth1: new MACs appear faster than the 1000 a second"),
            "{}",
            texts[0]
        );
        assert!(texts[1].contains("IP addresses are announced faster than the 100 a second"), "{}", texts[1]);
    }

    #[test]
    fn a_problem_of_a_budget_is_reported_once_and_taken_back() {
        let mut budgets = Budgets::default();
        let one = BTreeSet::from(["a loop".to_owned()]);
        assert!(budgets.now(one.clone()));
        assert!(!budgets.now(one));
        assert!(budgets.now(BTreeSet::new()));
    }
}
