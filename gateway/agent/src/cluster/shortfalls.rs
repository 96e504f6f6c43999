//! Shortfalls of this node: virtual routers that other nodes could serve better, and tunnel packets that arrive at the
//! wrong node.

use std::{collections::BTreeSet, time::Duration};

use gateway_config::{Config, InstanceConfig};
use gateway_ha::VirtualRouterStatus;
use gateway_vrrp::{Role, Time};

use super::{Cluster, instance_of};
use crate::data_plane::DataPlane;

impl Cluster<'_> {
    /// Checks whether tunnel packets arrive here that are for another node. If so, requests that node to announce the
    /// addresses again.
    pub(crate) fn check_strays(&mut self, plane: &impl DataPlane, now: Time) {
        for one in self.statuses.iter() {
            // A failed read is tried again at the next check.
            let Some(count) = plane.strays(one.vrid) else { continue };
            let elsewhere = one.status.role == Role::Backup && one.status.active.is_some();
            if self.strays.poll(one.vrid, elsewhere, count, now)
                && let Some(state_sync) = &mut self.state_sync
            {
                state_sync.request_announcement(one.vrid);
            }
        }
        let statuses = &self.statuses;
        self.strays.retain(|vrid| statuses.iter().any(|one| one.vrid == vrid));
    }

    /// Logs the virtual routers that other nodes could serve better, and those whose packets arrive at the wrong node.
    /// Each is logged once when it begins and once when it ends.
    pub(crate) fn report_shortfalls(&mut self, config: &Config, now: Duration) {
        let routers = self.routers(config, now);
        let shortfalls = routers.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.shortfall()?)));
        let strays = self.statuses.iter().filter_map(|one| {
            let (_, instance) = instance_of(config, one.vrid)?;
            Some(format!("{}: {}", one.name, self.stray_problem(one, instance)?))
        });
        let all: Vec<String> = shortfalls.chain(strays).collect();
        self.shortfalls.problems(all.into_iter());
    }

    /// Returns the shortfalls that were logged and still stand.
    pub(crate) fn shortfalls(&self) -> &BTreeSet<String> {
        self.shortfalls.texts()
    }

    /// Describes the tunnel packets that arrive here and are for another node.
    pub(super) fn stray_problem(&self, one: &VirtualRouterStatus, instance: &InstanceConfig) -> Option<String> {
        let active = one.status.active.filter(|_| self.strays.stand(one.vrid))?;
        let name = self.state_sync.as_ref().and_then(|state_sync| state_sync.received().active.get(&one.vrid));
        let node = name.map_or_else(|| format!("node {active}"), |name| format!("node {name} ({active})"));
        let addresses: Vec<String> = instance.vteps.iter().map(|address| address.to_string()).collect();
        Some(format!(
            "still receives tunnel packets for {} that {node} should get: a neighbour entry is outdated; compare \
             `ip neigh` and `ovs-appctl tnl/neigh/show` on the hypervisors, and the router's table",
            addresses.join(" and ")
        ))
    }
}
