//! Role of this node in the cluster. Decides what a change of the active node means for the data plane, the database
//! and the switches outside. VRRP elects the active node ([`gateway_ha`]).
//!
//! [`ability`] compares the nodes, [`handover`] gives the role away on request, [`announcements`] moves the cloud's
//! stations to this node at the switches outside, [`shortfalls`] reports what this node lacks, and [`views`] shows the
//! cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gateway_common::fdb::FdbKey;
use gateway_config::{Config, InstanceConfig, rows::Rows};
use gateway_ha::{Handle, Leases, VirtualRouterStatus, peers::Followed};
use gateway_netdev::underlay::Snapshot;
use gateway_sources::Database;
use gateway_vrrp::{Role, Time, Vrid};

use crate::{
    ctl::Request,
    data_plane::DataPlane,
    error::AgentError,
    report::Report,
    state_sync::StateSync,
    strays::{Requests, Strays},
};

mod ability;
mod announcements;
mod handover;
mod shortfalls;
mod views;

use ability::Ability;
use announcements::Announcements;
use handover::{Handover, Handovers};

/// State of this node in the cluster.
pub(super) struct Cluster<'a> {
    ha: &'a Handle,
    state_sync: Option<StateSync>,
    /// Map of leases, for reading.
    leases: Option<Leases>,
    attached: Option<bool>,
    /// Interfaces that the programs are attached to, each with its index.
    indices: BTreeMap<String, u32>,
    database: Option<bool>,
    ability: Ability,
    /// Tunnel packets that arrive here and are for the active node.
    strays: Strays,
    /// Requests of standbys to this node.
    requests: Requests,
    /// Reported shortfalls of this node.
    shortfalls: Report,
    /// Reported differences from other nodes.
    differences: Report,
    handovers: Handovers,
    statuses: Arc<Vec<VirtualRouterStatus>>,
    /// Leases of the virtual routers that this node is active for.
    active: BTreeSet<u32>,
    /// Numbers of announcements of the addresses on the underlay, by lease.
    announced: BTreeMap<u32, u64>,
    announcements: Announcements,
}

impl<'a> Cluster<'a> {
    /// Makes the state of a node that is not known to be active for any virtual router.
    pub(super) fn start(
        ha: &'a Handle,
        state_sync: Option<StateSync>,
        config: &Config,
        rows: &Rows,
        plane: &impl DataPlane,
        underlay: &Snapshot,
        now: Time,
    ) -> Self {
        let mut this = Self {
            ha,
            state_sync,
            leases: None,
            attached: None,
            indices: BTreeMap::new(),
            database: None,
            ability: Ability::default(),
            strays: Strays::default(),
            requests: Requests::default(),
            shortfalls: Report::default(),
            differences: Report::default(),
            handovers: Handovers::default(),
            statuses: Arc::default(),
            active: BTreeSet::new(),
            announced: BTreeMap::new(),
            announcements: Announcements::default(),
        };
        this.update(config, rows, plane.able(), underlay, now);
        this
    }

    /// Takes over the state of the virtual routers and applies the consequences.
    pub(super) fn roles(
        &mut self,
        statuses: Arc<Vec<VirtualRouterStatus>>,
        config: &Config,
        plane: &mut impl DataPlane,
        database: &dyn Database,
        now: Time,
    ) -> Result<(), AgentError> {
        for status in statuses.iter() {
            let Some((index, instance)) = instance_of(config, status.vrid) else { continue };
            let lease = instance.lease();
            let active = status.status.role == Role::Active;
            let announced = self.announced.insert(lease, status.announced);
            if active == self.active.contains(&lease) {
                if active && announced != Some(status.announced) {
                    // Another node had the addresses as well for a while.
                    self.announcements.start(lease, instance, plane, now);
                }
                continue;
            }
            plane.role(lease, active)?;
            if shares_database(config) {
                database.set_role(index, active);
            }
            if let Some(state_sync) = &mut self.state_sync {
                state_sync.publish_soon(now);
            }
            if active {
                self.active.insert(lease);
                self.announcements.start(lease, instance, plane, now);
            } else {
                self.active.remove(&lease);
                self.announcements.stop(lease, plane);
            }
        }
        let roles = |statuses: &[VirtualRouterStatus]| statuses.iter().map(|one| one.status.role).collect::<Vec<_>>();
        let moved = roles(&self.statuses) != roles(&statuses);
        self.statuses = statuses;
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.roles(&self.statuses, config);
        }
        self.compare(now);
        self.handovers.answer(&self.statuses, &self.active, now);
        // Counters change each second. The state received from other nodes matters again only after a change of role.
        if moved { self.follow(plane) } else { Ok(()) }
    }

    /// Takes over the bindings and their places, and the numbers of programmed bindings by lease.
    pub(super) fn update(
        &mut self,
        config: &Config,
        rows: &Rows,
        able: BTreeMap<u32, u32>,
        underlay: &Snapshot,
        now: Time,
    ) {
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.update(config, rows, &able, underlay);
        }
        self.ability.set(able);
        self.compare(now);
    }

    /// Holds the virtual routers that other nodes could serve better, and releases those that this node can serve.
    fn compare(&mut self, now: Time) {
        // Without state of other nodes there is nothing to compare.
        let (Some(state_sync), false) = (&self.state_sync, self.statuses.is_empty()) else { return };
        if let Some(held) = self.ability.compare(&self.statuses, state_sync.received(), now) {
            self.ha.held(held);
        }
    }

    /// Returns true unless a connected node could forward more, of any virtual router, for a while.
    pub(super) fn is_able(&self, now: Time) -> bool {
        self.ability.is_able(now)
    }

    /// Marks stations that were learned here, have moved, or are gone.
    pub(super) fn stations_changed(&mut self, changed: &BTreeSet<FdbKey>, now: Time) {
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.changed(changed, now);
        }
    }

    /// Takes over state received from other nodes.
    pub(super) fn receive(
        &mut self,
        received: Arc<Followed>,
        plane: &mut impl DataPlane,
        now: Time,
    ) -> Result<(), AgentError> {
        if let Some(state_sync) = &mut self.state_sync {
            for vrid in self.requests.take(&received.misled, now) {
                if self.active.contains(&vrid.get().into()) {
                    tracing::info!(
                        "virtual router {vrid}: a standby gets tunnel packets that are for this node: the addresses are \
                         announced again"
                    );
                    self.ha.announce(vrid);
                }
            }
            state_sync.receive(received);
        }
        self.compare(now);
        self.follow(plane)?;
        let received = self.state_sync.iter().map(StateSync::received);
        self.differences.problems(received.flat_map(|received| received.problems.iter().cloned()));
        Ok(())
    }

    /// Programs the stations that the active nodes have learned, for each virtual router that is not active here.
    fn follow(&self, plane: &mut impl DataPlane) -> Result<(), AgentError> {
        let Some(state_sync) = &self.state_sync else { return Ok(()) };
        for one in self.statuses.iter().filter(|one| one.status.role == Role::Backup) {
            if let Some(received) = state_sync.received().stations.get(&one.vrid) {
                plane.follow(one.vrid.get().into(), received, state_sync.ports())?;
            }
        }
        Ok(())
    }

    /// Publishes the stations learned here to other nodes.
    fn publish(&mut self, plane: &impl DataPlane) {
        let Some(state_sync) = &mut self.state_sync else { return };
        let vrids = self.statuses.iter().map(|one| one.vrid);
        state_sync.publish(plane.stations().all(), plane.leases_of_switches(), &self.active, vrids);
    }

    /// Publishes whether the data plane is attached, and on which interfaces. The virtual routers learn that it is not
    /// attached before they learn of other interfaces, and that it is only after them. So they never grant a lease for
    /// interfaces without programs.
    pub(super) fn attached(&mut self, plane: &impl DataPlane) -> Result<(), AgentError> {
        let attached = plane.is_attached();
        let changed = self.attached.replace(attached) != Some(attached);
        if changed {
            self.leases = plane.leases()?;
        }
        if changed && !attached {
            self.ha.data_plane(None);
        }
        let indices = plane.interfaces();
        if self.indices != indices {
            self.ha.attached(indices.clone());
            self.indices = indices;
        }
        if changed && attached {
            self.ha.data_plane(plane.leases()?);
        }
        Ok(())
    }

    /// Publishes whether the database is reached.
    pub(super) fn database(&mut self, reached: bool) {
        if self.database.replace(reached) != Some(reached) {
            self.ha.database(reached);
        }
    }

    /// Applies another configuration.
    pub(super) fn reconfigure(&self, config: &Config) {
        self.ha.reconfigure(config.instances.clone(), config.uplinks.clone(), config.ports.clone());
    }

    /// Hands over one virtual router, by name or number, or all of them. Answers the request when that is done.
    pub(super) fn handover(&mut self, which: Option<&str>, force: bool, config: &Config, request: Request, now: Time) {
        let named = |instance: &&InstanceConfig| {
            which.is_none_or(|which| which == instance.name || which == instance.lease().to_string())
        };
        let chosen: BTreeSet<u32> = config.instances.iter().filter(named).map(InstanceConfig::lease).collect();
        let active: BTreeSet<u32> = chosen.intersection(&self.active).copied().collect();
        if active.is_empty() {
            let which = which.unwrap_or("any virtual router");
            let why = match chosen.is_empty() {
                true => format!("there is no virtual router {which}; `vtep-gateway status` lists them"),
                false => format!("this node is not active for {which}, so there is nothing to hand over"),
            };
            return drop(request.answer(Err(why)));
        }
        if let (Some(state_sync), false) = (&self.state_sync, force)
            && let standbys = &state_sync.received().standbys
            && standbys.iter().all(|(vrid, nodes)| nodes.is_empty() || !active.contains(&vrid.get().into()))
        {
            let why = "no other node is connected that could take over; `vtep-gateway handover --force` does it all the \
                       same (a node that is no vtep-gateway never connects)";
            return drop(request.answer(Err(why.to_owned())));
        }
        for lease in &active {
            self.ha.handover(u8::try_from(*lease).ok().and_then(Vrid::new));
        }
        let standbys = self.state_sync.iter().flat_map(|state_sync| state_sync.received().standbys.values());
        let names = standbys.flatten().map(|(address, name)| (*address, name.clone())).collect();
        self.handovers.add(Handover { leases: active, request, force, since: now, names });
    }

    /// Returns the time at which [`Cluster::on_time`] is due.
    pub(super) fn due(&self) -> Option<Time> {
        let publish = self.state_sync.as_ref().and_then(StateSync::due);
        let parts = [self.announcements.due(), publish, self.handovers.due(), self.ability.due()];
        parts.into_iter().flatten().min()
    }

    /// Does the work that is due: answers clients, publishes state to other nodes, compares the nodes again, and
    /// announces some more stations to the switches outside.
    pub(super) fn on_time(&mut self, config: &Config, plane: &impl DataPlane, now: Time) {
        self.handovers.answer(&self.statuses, &self.active, now);
        if self.state_sync.as_ref().and_then(StateSync::due).is_some_and(|due| due <= now) {
            self.publish(plane);
        }
        if self.ability.due().is_some_and(|due| due <= now) {
            self.compare(now);
        }
        self.announcements.on_time(config, plane, now);
    }

    /// Returns the differences between nodes, and the nodes that can't be reached.
    pub(super) fn differences(&self) -> &BTreeSet<String> {
        self.differences.texts()
    }

    /// Returns the states of the virtual routers.
    pub(super) fn statuses(&self) -> &[VirtualRouterStatus] {
        &self.statuses
    }
}

fn instance_of(config: &Config, vrid: Vrid) -> Option<(usize, &InstanceConfig)> {
    let of_vrid = |instance: &InstanceConfig| instance.vrrp.as_ref().is_some_and(|vrrp| vrrp.vrid == vrid);
    config.instances.iter().enumerate().find(|(_, instance)| of_vrid(instance))
}

/// Returns true if other nodes write to the same database.
pub(super) fn shares_database(config: &Config) -> bool {
    config.is_redundant() && config.database.as_ref().is_some_and(|database| database.shared)
}
