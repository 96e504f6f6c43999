//! Views of this node's virtual routers and of the other nodes.

use std::time::Duration;

use gateway_api::view;
use gateway_config::Config;
use gateway_ha::VirtualRouterStatus;
use gateway_vrrp::Version;

use super::{Cluster, StateSync, instance_of};

impl Cluster<'_> {
    /// Returns the virtual routers by name, with their roles.
    pub(crate) fn roles_by_name(&self) -> Vec<(String, &'static str)> {
        self.statuses.iter().map(|one| (one.name.clone(), view::Role::from(one.status.role).name())).collect()
    }

    /// Returns the problems of the virtual routers.
    pub(crate) fn problems_of_routers(&self) -> impl Iterator<Item = String> {
        self.statuses.iter().flat_map(|one| one.problems.iter().map(move |problem| format!("{}: {problem}", one.name)))
    }

    /// Returns the views of the virtual routers.
    pub(crate) fn routers(&self, config: &Config, now: Duration) -> Vec<view::Router> {
        self.statuses.iter().filter_map(|one| self.router(one, config, now)).collect()
    }

    fn router(&self, one: &VirtualRouterStatus, config: &Config, now: Duration) -> Option<view::Router> {
        let (_, instance) = instance_of(config, one.vrid)?;
        let vrrp = instance.vrrp.as_ref()?;
        let status = &one.status;
        let lease = self.leases.as_ref().and_then(|leases| leases.read(one.vrid).ok());
        let lease_left_ms = lease.filter(|end| *end > now).map(|end| end.saturating_sub(now).as_millis() as u64);
        let other_routers = one.others.iter().map(|(address, other)| view::OtherRouter {
            address: *address,
            priority: other.priority,
            version: number(other.version),
            interval: other.interval.duration().as_secs_f64(),
            heard_seconds_ago: now.saturating_sub(other.received).as_secs(),
        });
        let received = self.state_sync.as_ref().map(StateSync::received);
        Some(view::Router {
            name: one.name.clone(),
            vrid: one.vrid.get(),
            role: status.role.into(),
            seconds_in_role: now.saturating_sub(status.since).as_secs(),
            priority: status.priority.get(),
            configured_priority: vrrp.priority.get(),
            version: number(vrrp.version),
            interval: status.interval.duration().as_secs_f64(),
            interface: vrrp.interface.clone(),
            source: one.source,
            addresses: instance.vteps.iter().collect(),
            addresses_there: one.addresses_there,
            lease_left_ms,
            active_node: status.active,
            others: one.others.keys().copied().collect(),
            other_routers: other_routers.collect(),
            problems: one.problems.iter().cloned().chain(self.stray_problem(one, instance)).collect(),
            faults: one.faults.clone(),
            unheard_by: status.deaf_peer,
            bindings_able: self.ability.bindings(one.vrid),
            ablest: received.and_then(|received| self.ability.ablest(one.vrid, received, now)),
            held: self.ability.is_held(one.vrid),
            counters: one.counters,
        })
    }

    /// Returns the view of the other nodes.
    pub(crate) fn nodes(&self) -> Option<view::Nodes> {
        let received = self.state_sync.as_ref()?.received();
        let standbys = received.standbys.iter().map(|(vrid, nodes)| {
            let nodes = nodes.iter().map(|(address, name)| format!("{name} ({address})"));
            (vrid.to_string(), nodes.collect())
        });
        Some(view::Nodes {
            standbys: standbys.collect(),
            stations_heard: received.stations.values().map(|stations| stations.len() as u64).sum(),
            problems: received.problems.iter().cloned().collect(),
        })
    }
}

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}
