//! This node among those that share its tunnel addresses: what follows for the data plane, the database and the switches
//! outside from who is active. Who that is, is decided elsewhere ([`crate::ha`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gateway_common::net::VlanId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{announcer::Announcer, error::AgentError, forwarding::Forwarding};
use crate::{
    announce,
    config::{Config, InstanceConfig},
    database::Database,
    ha::{FrameSender, Handle, InstanceStatus},
    vrrp::{Role, Vrid},
};

/// Frames to the switches outside that are sent at a time.
const BATCH: usize = 100;
/// Time between two batches: 20,000 frames a second, a few percent of what a slow access port carries.
const PACE: Duration = Duration::from_millis(5);

/// What is going on between this node and the others.
pub(super) struct Cluster {
    pub(super) ha: Handle,
    statuses: Arc<Vec<InstanceStatus>>,
    /// Leases of the virtual routers that this node is active for.
    active: BTreeSet<u32>,
    announcer: Announcer,
    senders: BTreeMap<u32, FrameSender>,
    /// When stations are announced once more, by lease.
    again: BTreeMap<u32, Instant>,
    refused: bool,
}

impl Cluster {
    /// Nobody is active here as far as it is known yet.
    pub(super) fn new(ha: Handle) -> Self {
        Self {
            ha,
            statuses: Arc::default(),
            active: BTreeSet::new(),
            announcer: Announcer::default(),
            senders: BTreeMap::new(),
            again: BTreeMap::new(),
            refused: false,
        }
    }

    /// Takes in how the virtual routers stand now, and does what follows from it.
    pub(super) fn roles(
        &mut self,
        statuses: Arc<Vec<InstanceStatus>>,
        config: &Config,
        forwarding: &mut Forwarding,
        database: &mut dyn Database,
    ) -> Result<(), AgentError> {
        for status in statuses.iter() {
            let Some((index, instance)) = instance_of(config, status.vrid) else { continue };
            let lease = instance.lease();
            let active = status.status.role == Role::Active;
            if active == self.active.contains(&lease) {
                continue;
            }
            forwarding.role(lease, active)?;
            if shares_database(config) {
                database.role(index, active);
            }
            if active {
                self.active.insert(lease);
                self.announce(lease, instance, forwarding);
            } else {
                self.active.remove(&lease);
                self.again.remove(&lease);
                self.announcer.stop(forwarding.desired(), lease);
            }
        }
        self.statuses = statuses;
        Ok(())
    }

    /// True if this node is active for the virtual router with this lease.
    pub(super) fn is_active(&self, lease: u32) -> bool {
        self.active.contains(&lease)
    }

    /// How the virtual routers stand.
    pub(super) fn statuses(&self) -> &[InstanceStatus] {
        &self.statuses
    }

    fn announce(&mut self, lease: u32, instance: &InstanceConfig, forwarding: &Forwarding) {
        self.announcer.start(forwarding.desired(), lease, forwarding.learned_remotes());
        let Some(vrrp) = &instance.vrrp else { return };
        if !vrrp.announce.delay.is_zero() {
            self.again.insert(lease, Instant::now() + vrrp.announce.delay);
        }
    }

    /// When [`Cluster::on_time`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.again.values().min().copied();
        let now = (!self.announcer.is_done()).then(|| Instant::now() + PACE);
        now.into_iter().chain(next).min()
    }

    /// Announces a few more stations to the switches outside, or all of them once more.
    pub(super) fn on_time(&mut self, config: &Config, forwarding: &Forwarding) {
        let now = Instant::now();
        let due: Vec<u32> = self.again.iter().filter(|(_, at)| **at <= now).map(|(lease, _)| *lease).collect();
        for lease in due {
            self.again.remove(&lease);
            self.announcer.start(forwarding.desired(), lease, forwarding.learned_remotes());
            let instance = config.instances.iter().find(|instance| instance.lease() == lease);
            let refresh = instance.and_then(|instance| instance.vrrp.as_ref()).map(|vrrp| vrrp.announce.refresh);
            if let Some(refresh) = refresh.filter(|refresh| !refresh.is_zero()) {
                self.again.insert(lease, now + refresh);
            }
        }
        let mut refused = None;
        for call in self.announcer.next(forwarding.desired(), BATCH) {
            let Some(vlan) = VlanId::new(call.to.vlan) else { continue };
            let frame = announce::rarp(call.station, vlan);
            if let Err(error) = self.send(call.to.ifindex, &frame) {
                refused = Some(error);
            }
        }
        // Once for a row of failures: a port that is down refuses a hundred thousand.
        match (&refused, self.refused) {
            (Some(error), false) => tracing::warn!("announcing the cloud's stations on an access port: {error}"),
            (None, true) | (Some(_), true) | (None, false) => {}
        }
        self.refused = refused.is_some();
    }

    fn send(&mut self, ifindex: u32, frame: &[u8]) -> Result<(), crate::ha::FrameError> {
        if let Some(sender) = self.senders.get(&ifindex) {
            let sent = sender.send(frame);
            if sent.is_err() {
                self.senders.remove(&ifindex);
            }
            return sent;
        }
        let sender = FrameSender::open(ifindex)?;
        let sent = sender.send(frame);
        self.senders.insert(ifindex, sender);
        sent
    }

    /// What is told of the virtual routers.
    pub(super) fn describe(&self, now: Duration) -> Value {
        let routers = self.statuses.iter().map(|one| {
            let status = &one.status;
            let lease_left = status.lease.map(|end| end.saturating_sub(now).as_millis() as u64);
            json!({
                "name": one.name,
                "vrid": one.vrid.get(),
                "role": role_name(status.role),
                "seconds_in_role": now.saturating_sub(status.since).as_secs(),
                "priority": status.priority.get(),
                "interval": status.interval.duration().as_secs_f64(),
                "lease_left_ms": lease_left,
                "active_node": status.active,
                "addresses_there": one.addresses_there,
                "others": one.others.keys().collect::<Vec<_>>(),
                "problems": one.problems,
                "counters": one.counters.describe(),
            })
        });
        Value::Array(routers.collect())
    }
}

fn instance_of(config: &Config, vrid: Vrid) -> Option<(usize, &InstanceConfig)> {
    let of_vrid = |instance: &InstanceConfig| instance.vrrp.as_ref().is_some_and(|vrrp| vrrp.vrid == vrid);
    config.instances.iter().enumerate().find(|(_, instance)| of_vrid(instance))
}

/// True if other nodes write to the same database.
pub(super) fn shares_database(config: &Config) -> bool {
    config.is_redundant() && config.database.as_ref().is_some_and(|database| database.shared)
}

/// A role as operators call it.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Starting => "starting",
        Role::Fault => "fault",
        Role::Backup => "backup",
        Role::Claiming => "claiming",
        Role::Active => "active",
    }
}
