//! Collects the measurements of the agent and the data plane for monitoring.

use std::collections::BTreeMap;

use gateway_api::view::{self, Severity};
use gateway_base::clock;
use gateway_common::net::VlanId;
use gateway_datapath::plan;

use super::{agent::Agent, data_plane::DataPlane as _, names::Names, views::in_force};
use crate::metrics::{
    Measured, Readiness,
    measured::{self, MAX_SERIES},
};

/// Name of the database if the configuration file is the database.
const STATIC: &str = "static";

impl Agent<'_> {
    /// Returns the readiness of the gateway.
    pub(super) fn readiness(&self) -> Readiness {
        let (shown, now) = (self.programmed(), clock::monotonic());
        Readiness {
            attached: self.forwarding().is_attached(),
            known: self.source().is_known(),
            unforwarded: self.forwarding().unforwarded(),
            able: self.cluster().is_none_or(|cluster| cluster.is_able(now)),
            reaches: shown.tunnels == 0 || shown.tunnels_unresolved < shown.tunnels,
        }
    }

    /// Measures everything. A value that can't be read is left out.
    pub(super) fn measure(&self) -> Measured {
        let status = self.status();
        let programmed = self.forwarding().programmed();
        let mut measured = Measured {
            at: clock::monotonic(),
            attached: self.forwarding().is_attached(),
            programmed: measured::Programmed {
                switches: programmed.switches.len(),
                bindings: programmed.bindings.len(),
                tunnels: programmed.remote_vteps.len(),
                flood_members: programmed.flood.len(),
                vteps: programmed.vteps.len(),
            },
            drops: self.forwarding().maps().drops().ok(),
            paths: self.forwarding().maps().paths().ok(),
            programs: self.forwarding().programs(),
            databases: self.databases(&status.database),
            routers: routers(status.vrrp, status.nodes.as_ref()),
            problems: problems(&status.problems),
            interfaces: status.interfaces,
            reloads: self.reloads(),
            ..Measured::default()
        };
        let names = self.names();
        self.measure_bindings(&names, &mut measured);
        self.measure_tunnels(&mut measured);
        self.measure_macs(&names, &mut measured);
        measured
    }

    fn databases(&self, database: &view::Database) -> Vec<measured::Database> {
        let followed = database.followed();
        if followed.is_empty() {
            return vec![measured::Database { name: STATIC.to_owned(), following: None, last_received: None }];
        }
        let alone = self.config().instances.first().map(|instance| instance.name.as_str()).unwrap_or_default();
        let one = |(instance, following): (Option<&str>, &view::Following)| measured::Database {
            name: instance.unwrap_or(alone).to_owned(),
            following: Some(following.clone()),
            last_received: self.source().last_received(instance),
        };
        followed.into_iter().map(one).collect()
    }

    fn measure_bindings(&self, names: &Names<'_>, to: &mut Measured) {
        for bound in self.forwarding().bindings() {
            *to.binding_states.entry(bound.state.name()).or_default() += 1;
        }
        let all = &self.forwarding().programmed().bindings;
        to.left_out.bindings = all.len().saturating_sub(MAX_SERIES);
        for (key, binding) in all.iter().take(MAX_SERIES) {
            let Some(vlan) = VlanId::new(key.vlan) else { continue };
            let Ok(traffic) = self.forwarding().maps().binding_traffic(binding.id) else { continue };
            to.bindings.push(measured::Binding {
                port: names.interface(key.ifindex),
                vlan,
                switch: names.switch(binding.vni).unwrap_or_default().to_owned(),
                vni: binding.vni,
                traffic,
            });
        }
    }

    fn measure_tunnels(&self, to: &mut Measured) {
        let programmed = self.forwarding().programmed();
        to.left_out.tunnels = programmed.remote_vteps.len().saturating_sub(MAX_SERIES);
        for (ends, id) in programmed.remote_vteps.iter().take(MAX_SERIES) {
            let Ok(traffic) = self.forwarding().maps().tunnel_traffic(*id) else { continue };
            to.tunnels.push(measured::Tunnel {
                local: ends.local.into(),
                remote: ends.remote.into(),
                resolved: programmed.tunnels.get(id).is_some_and(|tunnel| in_force(tunnel).ifindex != 0),
                traffic,
            });
        }
    }

    fn measure_macs(&self, names: &Names<'_>, to: &mut Measured) {
        let forwarding = self.forwarding();
        let limits = plan::learn_limits(self.config(), self.source().planned());
        let mut static_macs = BTreeMap::<u32, u64>::new();
        forwarding.programmed().static_macs.keys().for_each(|key| *static_macs.entry(key.vni).or_default() += 1);
        to.fdb.static_macs = forwarding.programmed().static_macs.len() as u64;
        to.fdb.size = self.config().gateway.fdb_size.into();
        to.left_out.switches = forwarding.programmed().switches.len().saturating_sub(MAX_SERIES);
        for (place, vni) in forwarding.programmed().switches.keys().copied().enumerate() {
            if place >= MAX_SERIES {
                to.fdb.learned += forwarding.last_scan(vni).map_or(0, |scan| scan.present);
                continue;
            }
            let Ok(learned) = self.learned(vni) else { continue };
            to.fdb.learned += learned;
            to.switches.push(measured::Switch {
                name: names.switch(vni).unwrap_or_default().to_owned(),
                vni,
                static_macs: static_macs.get(&vni).copied().unwrap_or(0),
                learned,
                learn_limit: limits.get(&vni).map_or(0, |plan| plan.learn_limit),
            });
        }
    }
}

fn routers(routers: Vec<view::Router>, nodes: Option<&view::Nodes>) -> Vec<measured::MeasuredRouter> {
    let standbys = |vrid: u8| nodes.and_then(|nodes| nodes.standbys.get(&vrid.to_string())).map_or(0, Vec::len);
    routers.into_iter().map(|view| measured::MeasuredRouter { standbys: standbys(view.vrid), view }).collect()
}

fn problems(all: &[view::Problem]) -> measured::Problems {
    let faults = all.iter().filter(|problem| problem.severity == Severity::Fault).count();
    measured::Problems { faults, warnings: all.len() - faults }
}
