//! Role of this node in the cluster. Decides what a change of the active node means for the data plane, the database
//! and the switches outside. VRRP elects the active node ([`gateway_ha`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use gateway_api::view;
use gateway_base::clock;
use gateway_common::{fdb::FdbKey, net::VlanId};
use gateway_config::{Config, InstanceConfig, rows::Rows};
use gateway_datapath::Maps;
use gateway_ha::{Handle, InstanceStatus, Leases, peers::Followed};
use gateway_netdev::{
    announce,
    frames::{FrameError, FrameSender},
    underlay::Snapshot,
};
use gateway_sources::Database;
use gateway_vrrp::{Role, Time, Version, Vrid};
use tokio::time::Instant;

use super::{
    announcer::Announcer,
    eligible::{Eligible, Verdict},
    error::AgentError,
    forwarding::Forwarding,
    report::Report,
    state_sync::StateSync,
    strays::{Requests, Strays},
};
use crate::ctl::server::Request;

/// Frames to the switches outside in one batch.
const BATCH: usize = 100;
/// Time between two batches: 20,000 frames a second, a few percent of what a slow access port carries.
const PACE: Duration = Duration::from_millis(5);

/// Time that another node has to take a role that is handed over.
const SUCCESSOR: Duration = Duration::from_secs(5);

/// A client that waits for another node to take a role.
struct Handover {
    leases: BTreeSet<u32>,
    request: Request,
    /// True if the role is given away even if no other node takes it.
    force: bool,
    since: Instant,
    /// Names of the nodes that could take the role.
    names: BTreeMap<IpAddr, String>,
}

impl Handover {
    /// Describes the outcome for one virtual router.
    fn told(&self, router: &str, active: Option<IpAddr>) -> String {
        let Some(address) = active else { return format!("{router}: handed over, and no other node is active yet\n") };
        let name = self.names.get(&address);
        let node = name.map_or_else(|| address.to_string(), |name| format!("{name} ({address})"));
        format!("{router}: handed over to {node} in {} ms\n", self.since.elapsed().as_millis())
    }
}

/// Time that a node may have fewer bindings than another one before that is reported: two databases do not change at
/// the same moment.
const SETTLE: Duration = Duration::from_secs(5);

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
    /// Numbers of programmed bindings, by lease.
    able: BTreeMap<u32, u32>,
    eligible: Eligible,
    /// Virtual routers that are held, as last published.
    held: Option<BTreeSet<Vrid>>,
    /// Times since which other nodes could forward more.
    behind: BTreeMap<Vrid, Time>,
    /// Tunnel packets that arrive here and are for the active node.
    strays: Strays,
    /// Requests of standbys to this node.
    requests: Requests,
    /// Reported shortfalls of this node.
    shortfalls: Report,
    /// Clients that wait for other nodes to take over virtual routers.
    handovers: Vec<Handover>,
    statuses: Arc<Vec<InstanceStatus>>,
    /// Leases of the virtual routers that this node is active for.
    active: BTreeSet<u32>,
    /// Numbers of announcements of the addresses on the underlay, by lease.
    announced: BTreeMap<u32, u64>,
    announcer: Announcer,
    /// Time at which the announcer's next batch is due.
    next_batch: Instant,
    senders: BTreeMap<u32, FrameSender>,
    /// Times at which stations are announced once more, by lease.
    again: BTreeMap<u32, Instant>,
    refused: bool,
}

impl<'a> Cluster<'a> {
    /// Makes the state of a node that is not known to be active for any virtual router.
    pub(super) fn new(ha: &'a Handle, state_sync: Option<StateSync>) -> Self {
        Self {
            ha,
            state_sync,
            leases: None,
            attached: None,
            indices: BTreeMap::new(),
            database: None,
            able: BTreeMap::new(),
            eligible: Eligible::default(),
            held: None,
            behind: BTreeMap::new(),
            strays: Strays::default(),
            requests: Requests::default(),
            shortfalls: Report::default(),
            handovers: Vec::new(),
            statuses: Arc::default(),
            active: BTreeSet::new(),
            announced: BTreeMap::new(),
            announcer: Announcer::default(),
            next_batch: Instant::now(),
            senders: BTreeMap::new(),
            again: BTreeMap::new(),
            refused: false,
        }
    }

    /// Takes over the state of the virtual routers and applies the consequences.
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
            let announced = self.announced.insert(lease, status.announced);
            if active == self.active.contains(&lease) {
                if active && announced != Some(status.announced) {
                    // Another node had the addresses as well for a while.
                    self.announce(lease, instance, forwarding);
                }
                continue;
            }
            forwarding.role(lease, active)?;
            if shares_database(config) {
                database.set_role(index, active);
            }
            if let Some(state_sync) = &mut self.state_sync {
                state_sync.publish_soon();
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
        let roles = |statuses: &[InstanceStatus]| statuses.iter().map(|one| one.status.role).collect::<Vec<_>>();
        let moved = roles(&self.statuses) != roles(&statuses);
        self.statuses = statuses;
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.roles(&self.statuses, config);
        }
        self.weigh();
        self.answer_handovers();
        // Counters change each second. The state received from other nodes matters again only after a change of role.
        if moved { self.follow(forwarding) } else { Ok(()) }
    }

    /// Takes over the bindings and their places, and the numbers of programmed bindings by lease.
    pub(super) fn update(&mut self, config: &Config, rows: &Rows, able: BTreeMap<u32, u32>, underlay: &Snapshot) {
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.update(config, rows, &able, underlay);
        }
        self.able = able;
        self.weigh();
    }

    /// Holds the virtual routers that other nodes could serve better, and releases those that this node can serve.
    fn weigh(&mut self) {
        // Without state of other nodes there is nothing to compare.
        let (Some(state_sync), false) = (&self.state_sync, self.statuses.is_empty()) else { return };
        let now = clock::monotonic();
        let mut held = BTreeSet::new();
        for one in self.statuses.iter() {
            let ours = self.able.get(&one.vrid.get().into()).copied().unwrap_or(0);
            let others = state_sync.received().able.get(&one.vrid);
            match self.eligible.poll(one.vrid, &one.status, ours, others, now) {
                Verdict::Eligible => {}
                // This is reported only once it has lasted for a while.
                Verdict::Unknown | Verdict::Less { .. } => drop(held.insert(one.vrid)),
            }
            let most = others.into_iter().flat_map(BTreeMap::values).filter_map(|able| able.bindings).max();
            if most.is_some_and(|most| most > ours) {
                self.behind.entry(one.vrid).or_insert(now);
            } else {
                self.behind.remove(&one.vrid);
            }
        }
        let is = |vrid| self.statuses.iter().any(|one| one.vrid == vrid);
        self.eligible.retain(is);
        self.behind.retain(|vrid, _| is(*vrid));
        if self.held.as_ref() != Some(&held) {
            self.ha.held(held.clone());
            self.held = Some(held);
        }
    }

    /// Returns true unless a connected node could forward more, of any virtual router, for a while.
    pub(super) fn is_able(&self, now: Time) -> bool {
        self.behind.values().all(|since| now < *since + SETTLE)
    }

    /// Returns the connected node that could forward the most bindings of a virtual router, if this node could forward
    /// fewer for a while.
    fn ablest(&self, vrid: Vrid, now: Time) -> Option<view::Ablest> {
        self.behind.get(&vrid).filter(|since| now >= **since + SETTLE)?;
        let others = self.state_sync.as_ref()?.received().able.get(&vrid)?;
        let told =
            others.values().filter_map(|able| Some(view::Ablest { node: able.node.clone(), bindings: able.bindings? }));
        told.max_by_key(|able| able.bindings)
    }

    /// Marks stations that were learned here, have moved, or are gone.
    pub(super) fn stations_changed(&mut self, changed: &BTreeSet<FdbKey>) {
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.changed(changed);
        }
    }

    /// Takes over state received from other nodes.
    pub(super) fn heard(&mut self, received: Arc<Followed>, forwarding: &mut Forwarding) -> Result<(), AgentError> {
        if let Some(state_sync) = &mut self.state_sync {
            for vrid in self.requests.take(&received.misled, clock::monotonic()) {
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
        self.weigh();
        self.follow(forwarding)
    }

    /// Programs the stations that the active nodes have learned, for each virtual router that is not active here.
    fn follow(&self, forwarding: &mut Forwarding) -> Result<(), AgentError> {
        let Some(state_sync) = &self.state_sync else { return Ok(()) };
        for one in self.statuses.iter().filter(|one| one.status.role == Role::Backup) {
            if let Some(heard) = state_sync.received().stations.get(&one.vrid) {
                forwarding.follow(one.vrid.get().into(), heard, state_sync.ports())?;
            }
        }
        Ok(())
    }

    /// Publishes the stations learned here to other nodes.
    fn tell(&mut self, forwarding: &Forwarding) {
        let Some(state_sync) = &mut self.state_sync else { return };
        let vrids = self.statuses.iter().map(|one| one.vrid);
        state_sync.publish(forwarding.stations.all(), forwarding.leases_of_switches(), &self.active, vrids);
    }

    /// Publishes whether the data plane is attached, and on which interfaces.
    pub(super) fn attached(&mut self, forwarding: &Forwarding) -> Result<(), AgentError> {
        let attached = forwarding.is_attached();
        let changed = self.attached.replace(attached) != Some(attached);
        if changed {
            self.leases = forwarding.leases()?;
        }
        if changed && !attached {
            self.ha.data_plane(None);
        }
        let indices = forwarding.devices.indices();
        if self.indices != indices {
            self.ha.attached(indices.clone());
            self.indices = indices;
        }
        if changed && attached {
            self.ha.data_plane(forwarding.leases()?);
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

    /// Hands over one virtual router, given by name or number, or all of them. Answers the request when that is done.
    pub(super) fn handover(&mut self, which: Option<&str>, force: bool, config: &Config, request: Request) {
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
        self.handovers.push(Handover { leases: active, request, force, since: Instant::now(), names });
    }

    /// Answers the clients whose virtual routers are active at another node, or at none for too long.
    fn answer_handovers(&mut self) {
        for handover in std::mem::take(&mut self.handovers) {
            let concerned: Vec<_> =
                self.statuses.iter().filter(|one| handover.leases.contains(&one.vrid.get().into())).collect();
            let given = handover.leases.is_disjoint(&self.active);
            let taken = given && concerned.iter().all(|one| one.status.active.is_some());
            let late = handover.since.elapsed() >= SUCCESSOR;
            // With `force`, a missing other node is accepted.
            if !(taken || late || given && handover.force) {
                self.handovers.push(handover);
                continue;
            }
            let told: Vec<String> = concerned.iter().map(|one| handover.told(&one.name, one.status.active)).collect();
            let told = told.concat();
            drop(handover.request.answer(match (given, taken || handover.force) {
                (true, true) => Ok(told),
                (true, false) => Err(format!("{told}no other node has taken it within {} s", SUCCESSOR.as_secs())),
                (false, _) => {
                    Err(format!("this node is still active after {} s; its log says why", SUCCESSOR.as_secs()))
                }
            }));
        }
    }

    fn announce(&mut self, lease: u32, instance: &InstanceConfig, forwarding: &Forwarding) {
        self.announcer.start(forwarding.desired(), forwarding.given(), lease, forwarding.learned_remotes());
        let Some(vrrp) = &instance.vrrp else { return };
        if !vrrp.announce.delay.is_zero() {
            self.again.insert(lease, Instant::now() + vrrp.announce.delay);
        }
    }

    /// Returns the time at which [`Cluster::on_time`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.again.values().min().copied();
        let now = (!self.announcer.is_done()).then_some(self.next_batch);
        let tell = self.state_sync.as_ref().and_then(StateSync::due);
        let handover = self.handovers.iter().map(|handover| handover.since + SUCCESSOR).min();
        let weigh = self.eligible.due().map(|due| Instant::now() + due.saturating_sub(clock::monotonic()));
        now.into_iter().chain(next).chain(tell).chain(handover).chain(weigh).min()
    }

    /// Announces some more stations to the switches outside, or starts all of them once more. Publishes state to other
    /// nodes when it is due.
    pub(super) fn on_time(&mut self, config: &Config, forwarding: &Forwarding) {
        let now = Instant::now();
        self.answer_handovers();
        if self.state_sync.as_ref().and_then(StateSync::due).is_some_and(|due| due <= now) {
            self.tell(forwarding);
        }
        if self.eligible.due().is_some_and(|due| due <= clock::monotonic()) {
            self.weigh();
        }
        let due: Vec<u32> = self.again.iter().filter(|(_, at)| **at <= now).map(|(lease, _)| *lease).collect();
        for lease in due {
            self.again.remove(&lease);
            self.announcer.start(forwarding.desired(), forwarding.given(), lease, forwarding.learned_remotes());
            let instance = config.instances.iter().find(|instance| instance.lease() == lease);
            let refresh = instance.and_then(|instance| instance.vrrp.as_ref()).map(|vrrp| vrrp.announce.refresh);
            if let Some(refresh) = refresh.filter(|refresh| !refresh.is_zero()) {
                self.again.insert(lease, now + refresh);
            }
        }
        if self.next_batch <= now && !self.announcer.is_done() {
            self.next_batch = now + PACE;
            self.send_batch(forwarding);
        }
    }

    fn send_batch(&mut self, forwarding: &Forwarding) {
        let mut refused = None;
        for call in self.announcer.next(forwarding.desired(), forwarding.given(), BATCH) {
            let Some(vlan) = VlanId::new(call.to.vlan) else { continue };
            let frame = announce::rarp(call.station, vlan);
            if let Err(error) = self.send(call.to.ifindex, &frame) {
                refused = Some(error);
            }
        }
        // Logged once for a series of failures: a port that is down refuses a hundred thousand frames.
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

    /// Returns the virtual routers by name, with their roles.
    pub(super) fn roles_by_name(&self) -> Vec<(String, &'static str)> {
        self.statuses.iter().map(|one| (one.name.clone(), view::Role::from(one.status.role).name())).collect()
    }

    /// Checks whether tunnel packets arrive here that are for another node. If so, requests that node to announce the
    /// addresses again.
    pub(super) fn look_for_strays(&mut self, maps: &Maps, now: Time) {
        for one in self.statuses.iter() {
            // A failed read is tried again at the next check.
            let Ok(count) = maps.strays(one.vrid.get().into()) else { continue };
            let elsewhere = one.status.role == Role::Backup && one.status.active.is_some();
            if self.strays.poll(one.vrid, elsewhere, count, now)
                && let Some(state_sync) = &mut self.state_sync
            {
                state_sync.ask(one.vrid);
            }
        }
        let statuses = &self.statuses;
        self.strays.retain(|vrid| statuses.iter().any(|one| one.vrid == vrid));
    }

    /// Describes the tunnel packets that arrive here and are for another node.
    fn misled(&self, one: &InstanceStatus, instance: &InstanceConfig) -> Option<String> {
        let active = one.status.active.filter(|_| self.strays.stand(one.vrid))?;
        let name = self.state_sync.as_ref().and_then(|state_sync| state_sync.received().active.get(&one.vrid));
        let node = name.map_or_else(|| format!("node {active}"), |name| format!("node {name} ({active})"));
        let addresses: Vec<String> = instance.vteps.iter().map(|address| address.to_string()).collect();
        Some(format!(
            "still receives tunnel packets for {} that {node} should get: somebody's neighbour entry is outdated; compare \
             `ip neigh` and `ovs-appctl tnl/neigh/show` on the hypervisors, and the router's table",
            addresses.join(" and ")
        ))
    }

    /// Logs the virtual routers that other nodes could serve better, and those whose packets arrive at the wrong node.
    /// Each is logged once when it begins and once when it ends.
    pub(super) fn tell_shortfalls(&mut self, config: &Config, now: Duration) {
        let routers = self.routers(config, now);
        let told = routers.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.shortfall()?)));
        let misled = self.statuses.iter().filter_map(|one| {
            let (_, instance) = instance_of(config, one.vrid)?;
            Some(format!("{}: {}", one.name, self.misled(one, instance)?))
        });
        let told: Vec<String> = told.chain(misled).collect();
        self.shortfalls.problems(told.into_iter());
    }

    /// Returns the shortfalls that were logged and still stand.
    pub(super) fn shortfalls(&self) -> impl Iterator<Item = String> {
        self.shortfalls.all().map(str::to_owned)
    }

    /// Returns the problems of the virtual routers.
    pub(super) fn problems_of_routers(&self) -> impl Iterator<Item = String> {
        self.statuses.iter().flat_map(|one| one.problems.iter().map(move |problem| format!("{}: {problem}", one.name)))
    }

    /// Returns the states of the virtual routers.
    pub(super) fn statuses(&self) -> &[InstanceStatus] {
        &self.statuses
    }

    /// Returns the views of the virtual routers.
    pub(super) fn routers(&self, config: &Config, now: Duration) -> Vec<view::Router> {
        self.statuses.iter().filter_map(|one| self.router(one, config, now)).collect()
    }

    fn router(&self, one: &InstanceStatus, config: &Config, now: Duration) -> Option<view::Router> {
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
            heard_seconds_ago: now.saturating_sub(other.heard).as_secs(),
        });
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
            problems: one.problems.iter().cloned().chain(self.misled(one, instance)).collect(),
            faults: one.faults.clone(),
            unheard_by: status.unheard,
            bindings_able: self.able.get(&one.vrid.get().into()).copied().unwrap_or(0),
            ablest: self.ablest(one.vrid, now),
            held: self.held.as_ref().is_some_and(|held| held.contains(&one.vrid)),
            counters: one.counters,
        })
    }

    /// Returns the view of the other nodes.
    pub(super) fn nodes(&self) -> Option<view::Nodes> {
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

    /// Returns the differences between nodes, and the nodes that can't be reached.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        self.state_sync.iter().flat_map(|state_sync| state_sync.received().problems.iter().cloned())
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

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}
