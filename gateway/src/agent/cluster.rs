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
    ctl::Request,
    database::Database,
    datapath::pins::PinDir,
    ha::{Counters, FrameError, FrameSender, Handle, InstanceStatus, Leases},
    vrrp::{Role, Vrid},
};

/// Frames to the switches outside that are sent at a time.
const BATCH: usize = 100;
/// Time between two batches: 20,000 frames a second, a few percent of what a slow access port carries.
const PACE: Duration = Duration::from_millis(5);

/// What is going on between this node and the others.
pub(super) struct Cluster<'a> {
    ha: &'a Handle,
    pins: PinDir,
    /// To look at.
    leases: Option<Leases>,
    attached: Option<bool>,
    database: Option<bool>,
    /// Who waits for virtual routers to be active here no longer.
    handovers: Vec<(BTreeSet<u32>, Request)>,
    statuses: Arc<Vec<InstanceStatus>>,
    /// Leases of the virtual routers that this node is active for.
    active: BTreeSet<u32>,
    announcer: Announcer,
    senders: BTreeMap<u32, FrameSender>,
    /// When stations are announced once more, by lease.
    again: BTreeMap<u32, Instant>,
    refused: bool,
}

impl<'a> Cluster<'a> {
    /// Nobody is active here as far as it is known yet.
    pub(super) fn new(ha: &'a Handle, pins: PinDir) -> Self {
        Self {
            ha,
            pins,
            leases: None,
            attached: None,
            database: None,
            handovers: Vec::new(),
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
        self.answer_handovers();
        Ok(())
    }

    /// The data plane is attached, or is not.
    pub(super) fn attached(&mut self, attached: bool) -> Result<(), AgentError> {
        if self.attached.replace(attached) != Some(attached) {
            self.leases = Leases::open(&self.pins)?;
            self.ha.data_plane(if attached { Leases::open(&self.pins)? } else { None });
        }
        Ok(())
    }

    /// The database is reached, or is not.
    pub(super) fn database(&mut self, reached: bool) {
        if self.database.replace(reached) != Some(reached) {
            self.ha.database(reached);
        }
    }

    /// Takes over another configuration.
    pub(super) fn reconfigure(&self, config: &Config) {
        self.ha.reconfigure(config.instances.clone(), config.uplinks.clone(), config.ports.clone());
    }

    /// Gives the role of one virtual router away, named by name or number, or of all; answers when it is done.
    pub(super) fn handover(&mut self, which: Option<&str>, _force: bool, config: &Config, request: Request) {
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
        for lease in &active {
            self.ha.handover(u8::try_from(*lease).ok().and_then(Vrid::new));
        }
        self.handovers.push((active, request));
    }

    /// Answers those whose virtual routers are active here no longer.
    fn answer_handovers(&mut self) {
        let waiting = std::mem::take(&mut self.handovers);
        for (leases, request) in waiting {
            if leases.is_disjoint(&self.active) {
                let names = self.statuses.iter().filter(|one| leases.contains(&one.vrid.get().into()));
                let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
                drop(request.answer(Ok(format!("{}: handed over\n", names.join(", ")))));
            } else {
                self.handovers.push((leases, request));
            }
        }
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
        if let (Some(error), false) = (&refused, self.refused) {
            tracing::warn!("announcing the cloud's stations on an access port: {error}");
        }
        self.refused = refused.is_some();
    }

    fn send(&mut self, ifindex: u32, frame: &[u8]) -> Result<(), FrameError> {
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
            let lease = self.leases.as_ref().and_then(|leases| leases.read(one.vrid).ok());
            let lease_left = lease.filter(|end| *end > now).map(|end| end.saturating_sub(now).as_millis() as u64);
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
                "counters": counters(&one.counters),
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

fn counters(counters: &Counters) -> Value {
    json!({
        "advert_rcvd": counters.advert_rcvd,
        "advert_sent": counters.advert_sent,
        "become_master": counters.become_master,
        "release_master": counters.release_master,
        "packet_len_err": counters.packet_len_err,
        "advert_interval_err": counters.advert_interval_err,
        "ip_ttl_err": counters.ip_ttl_err,
        "invalid_type_rcvd": counters.invalid_type_rcvd,
        "addr_list_err": counters.addr_list_err,
        "invalid_authtype": counters.invalid_authtype,
        "version_err": counters.version_err,
        "checksum_err": counters.checksum_err,
        "priority_zero_rcvd": counters.priority_zero_rcvd,
        "priority_zero_sent": counters.priority_zero_sent,
        "send_err": counters.send_err,
    })
}
