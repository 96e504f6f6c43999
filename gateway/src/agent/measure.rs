//! What the agent knows of itself and of the data plane, for whoever monitors it.

use std::{collections::BTreeMap, time::Duration};

use gateway_common::net::VlanId;

use super::{forwarding::Forwarding, turns::Agent};
use crate::{
    clock,
    config::Interface,
    database::Rows,
    datapath::desired::SegmentPlan,
    metrics::{
        Measured, Readiness,
        measured::{self, MAX_SERIES},
    },
    nic::Role,
    plan,
    underlay::Snapshot,
    vrrp::Time,
};

impl Agent<'_> {
    /// How ready it is.
    pub(super) fn readiness(&self) -> Readiness {
        Readiness { attached: self.forwarding.is_attached(), known: self.database.is_known() }
    }

    /// Measures everything. What can't be read is left out.
    pub(super) fn measure(&self, underlay: &Snapshot) -> Measured {
        let now = clock::monotonic();
        let names = switch_names(&self.planned);
        let limits = plan::learn_limits(&self.config, &self.planned);
        let mut measured = Measured {
            at: now,
            attached: self.forwarding.is_attached(),
            links: links(&self.config.uplinks, Role::Uplink, &self.forwarding, underlay)
                .chain(links(&self.config.ports, Role::Access, &self.forwarding, underlay))
                .collect(),
            databases: self.database.measure(),
            routers: self.cluster.as_ref().map(|cluster| cluster.measure(now)).unwrap_or_default(),
            problems: measured::Problems {
                forwarding: self.forwarding.problems(),
                database: self.database.problems(),
                vrrp: self.cluster.as_ref().map_or(0, |cluster| cluster.router_problems()),
                nodes: self.cluster.as_ref().map_or(0, |cluster| cluster.problems().count()),
            },
            reloads: self.reloads,
            ..Measured::default()
        };
        self.forwarding.measure(&names, &limits, underlay, &mut measured);
        measured.fdb.size = self.config.gateway.fdb_size.into();
        measured
    }
}

/// The logical switch of each VNI: the first by name, see [`plan::plan`].
fn switch_names(rows: &Rows) -> BTreeMap<u32, &str> {
    let mut names = BTreeMap::new();
    for (name, switch) in &rows.switches {
        if let Some(vni) = switch.vni {
            names.entry(vni.get()).or_insert(name.as_str());
        }
    }
    names
}

fn links<'a>(
    interfaces: &'a [Interface],
    role: Role,
    forwarding: &'a Forwarding,
    underlay: &'a Snapshot,
) -> impl Iterator<Item = measured::Link> + 'a {
    interfaces.iter().map(move |interface| measured::Link {
        interface: interface.name.clone(),
        role,
        up: underlay.links.get(&interface.name).is_some_and(|link| link.up),
        xdp: forwarding.devices.receives_by_xdp(&interface.name),
    })
}

/// What a census found, and what the kernel had counted by then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    present: u64,
    counted: u64,
}

impl Counted {
    /// From the learning ceiling that was set after a census which found `present` MACs.
    pub(super) fn new(present: u64, ceiling: u64, limit: u64) -> Self {
        Self { present, counted: ceiling.saturating_sub(limit.saturating_sub(present)) }
    }

    /// How many there are when the kernel has counted so far.
    const fn now(self, counted: u64) -> u64 {
        self.present.saturating_add(counted.saturating_sub(self.counted))
    }
}

impl Forwarding {
    fn measure(
        &self,
        names: &BTreeMap<u32, &str>,
        limits: &BTreeMap<u32, SegmentPlan>,
        underlay: &Snapshot,
        to: &mut Measured,
    ) {
        let programmed = &self.programmed;
        to.programmed = measured::Programmed {
            switches: programmed.segments.len(),
            bindings: programmed.bindings.len(),
            tunnels: programmed.tunnels.len(),
            flood_members: programmed.flood.len(),
            vteps: programmed.vteps.len(),
        };
        to.drops = self.maps.drops().ok();
        to.paths = self.maps.paths().ok();
        to.programs = self.programs();
        let name = |vni: u32| names.get(&vni).copied().unwrap_or_default().to_owned();
        self.measure_bindings(name, underlay, to);
        self.measure_tunnels(to);
        self.measure_macs(name, limits, to);
    }

    fn measure_bindings(&self, switch: impl Fn(u32) -> String, underlay: &Snapshot, to: &mut Measured) {
        let ports: BTreeMap<u32, &String> = underlay.links.iter().map(|(name, link)| (link.ifindex, name)).collect();
        for (key, binding) in &self.programmed.bindings {
            if to.bindings.len() == MAX_SERIES {
                to.left_out.bindings = self.programmed.bindings.len() - MAX_SERIES;
                break;
            }
            // An interface that is gone is about to be without bindings.
            let (Some(port), Some(vlan)) = (ports.get(&key.ifindex), VlanId::new(key.vlan)) else { continue };
            let Ok(traffic) = self.maps.binding_traffic(binding.id) else { continue };
            let (port, switch, vni) = ((*port).clone(), switch(binding.vni), binding.vni);
            to.bindings.push(measured::Binding { port, vlan, switch, vni, traffic });
        }
    }

    fn measure_tunnels(&self, to: &mut Measured) {
        for (ends, id) in &self.programmed.peers {
            if to.tunnels.len() == MAX_SERIES {
                to.left_out.tunnels = self.programmed.peers.len() - MAX_SERIES;
                break;
            }
            let hop = self.programmed.tunnels.get(id).and_then(|tunnel| tunnel.next_hop.get(tunnel.bank as usize));
            let Ok(traffic) = self.maps.tunnel_traffic(*id) else { continue };
            to.tunnels.push(measured::Tunnel {
                local: ends.local.into(),
                remote: ends.remote.into(),
                resolved: hop.is_some_and(|hop| hop.ifindex != 0),
                traffic,
            });
        }
    }

    fn measure_macs(&self, switch: impl Fn(u32) -> String, limits: &BTreeMap<u32, SegmentPlan>, to: &mut Measured) {
        let mut given = BTreeMap::<u32, u64>::new();
        for key in self.programmed.given.keys() {
            *given.entry(key.vni).or_default() += 1;
        }
        to.fdb.given = self.programmed.given.len() as u64;
        to.left_out.switches = self.programmed.segments.len().saturating_sub(MAX_SERIES);
        for (place, vni) in self.programmed.segments.keys().copied().enumerate() {
            let counted = self.counted.get(&vni).copied().unwrap_or_default();
            if place >= MAX_SERIES {
                to.fdb.learned += counted.present;
                continue;
            }
            let Ok(learned) = self.maps.learned(vni).map(|now| counted.now(now)) else { continue };
            to.fdb.learned += learned;
            to.switches.push(measured::Switch {
                name: switch(vni),
                vni,
                given: given.get(&vni).copied().unwrap_or(0),
                learned,
                learn_limit: limits.get(&vni).map_or(0, |plan| plan.learn_limit),
            });
        }
    }
}

/// How long from `now` on a lease that ends at `end` still runs.
pub(super) fn lease_left(end: Option<Time>, now: Time) -> Duration {
    end.map_or(Duration::ZERO, |end| end.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_learned_since_a_census_are_added_to_what_it_found() {
        // 7 there, 90 learned ever, limit 10: the ceiling is at 93.
        let counted = Counted::new(7, 93, 10);
        assert_eq!(counted.now(90), 7);
        assert_eq!(counted.now(93), 10);
        // More there than the limit: the ceiling is what was counted.
        assert_eq!(Counted::new(12, 90, 10).now(91), 13);
    }

    #[test]
    fn a_counter_that_starts_anew_does_not_turn_negative() {
        assert_eq!(Counted::new(7, 93, 10).now(0), 7);
        assert_eq!(Counted::default().now(3), 3);
    }

    #[test]
    fn a_lease_that_has_ended_has_nothing_left() {
        let second = Duration::from_secs(1);
        assert_eq!(lease_left(Some(second * 3), second), second * 2);
        assert_eq!(lease_left(Some(second), second * 2), Duration::ZERO);
        assert_eq!(lease_left(None, second), Duration::ZERO);
    }
}
