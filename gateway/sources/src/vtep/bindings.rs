//! Bindings: the VLANs of access ports that belong to a logical switch.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use gateway_common::net::VlanId;
use gateway_config::rows::{Refusal, RefusedBinding};
use gateway_ovsdb::Uuid;

use super::{Fault, Identity, Mirror, problem::Problem};

/// Bindings of this gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bindings {
    /// Bindings by row of `Logical_Switch`.
    pub(super) by_switch: BTreeMap<Uuid, BTreeSet<(String, VlanId)>>,
    /// Bindings of the database that are impossible.
    pub(super) refused: BTreeSet<RefusedBinding>,
    /// Bindings that differ from those in the database.
    pub(super) problems: BTreeSet<Problem>,
    /// Faults of the ports of this gateway with such a problem, by name.
    pub(super) faults: BTreeMap<String, BTreeSet<Fault>>,
}

impl Bindings {
    /// Returns the bindings that the database has now.
    pub(super) fn of(mirror: &Mirror, identity: &Identity) -> Self {
        let mut this = Self::default();
        let Some((_, own)) = mirror.physical_switch(&identity.name) else { return this };
        let mut bound = BTreeMap::<(&str, VlanId), (&str, Uuid)>::new();
        for (_, port) in mirror.ports_of(own) {
            let name = port.name.as_str();
            if !identity.ports.contains(name) {
                if !port.bindings.is_empty() {
                    this.problems.insert(Problem::NoPort { port: name.to_owned() });
                }
                for (&vlan, switch) in &port.bindings {
                    let Some(row) = mirror.switches.get(switch) else { continue };
                    this.note(identity, (name, vlan), &row.name, Refusal::NoPort);
                }
                continue;
            }
            for (&vlan, &switch) in &port.bindings {
                let Some(row) = mirror.switches.get(&switch) else { continue };
                let Some(vlan) = VlanId::new(vlan) else {
                    this.note(identity, (name, vlan), &row.name, Refusal::NoVlan);
                    this.refuse(name, Problem::NoVlan { port: name.to_owned(), vlan });
                    continue;
                };
                match bound.entry((name, vlan)) {
                    Entry::Vacant(entry) => {
                        entry.insert((&row.name, switch));
                    }
                    Entry::Occupied(entry) if entry.get().1 == switch => {}
                    Entry::Occupied(mut entry) => {
                        // The order of rows differs between copies of the database. The order of the names of the
                        // switches does not.
                        let mut loser = (row.name.as_str(), switch);
                        if loser < *entry.get() {
                            loser = entry.insert(loser);
                        }
                        let (switch, holder) = (loser.0.to_owned(), entry.get().0.to_owned());
                        this.note(identity, (name, vlan.get()), &switch, Refusal::Taken(holder.clone()));
                        this.refuse(name, Problem::VlanTwice { port: name.to_owned(), vlan, switch, holder });
                    }
                }
            }
        }
        for ((port, vlan), (_, switch)) in bound {
            this.by_switch.entry(switch).or_default().insert((port.to_owned(), vlan));
        }
        this
    }

    fn note(&mut self, identity: &Identity, (port, vlan): (&str, u16), switch: &str, why: Refusal) {
        let (port, switch) = (port.to_owned(), switch.to_owned());
        self.refused.insert(RefusedBinding { port, vlan, switch, instance: identity.instance, why });
    }

    fn refuse(&mut self, port: &str, problem: Problem) {
        self.problems.insert(problem);
        self.faults.entry(port.to_owned()).or_default().insert(Fault::InvalidVlanMap);
    }

    /// Returns the logical switches whose bindings differ in `other`.
    pub(super) fn differing(&self, other: &Self) -> BTreeSet<Uuid> {
        let all = self.by_switch.keys().chain(other.by_switch.keys());
        all.filter(|switch| self.by_switch.get(switch) != other.by_switch.get(switch)).copied().collect()
    }
}
