//! This node among those that share its tunnel addresses: what follows for the data plane, the database and the switches
//! outside from who is active. Who that is, is decided elsewhere ([`gateway_ha`]).

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

/// Frames to the switches outside that are sent at a time.
const BATCH: usize = 100;
/// Time between two batches: 20,000 frames a second, a few percent of what a slow access port carries.
const PACE: Duration = Duration::from_millis(5);

/// How long another node has to take a role that is given away.
const SUCCESSOR: Duration = Duration::from_secs(5);

/// Somebody who waits for another node to have a role.
struct Handover {
    leases: BTreeSet<u32>,
    request: Request,
    /// Whether another node takes it or not.
    force: bool,
    since: Instant,
    /// Names of the nodes that could.
    names: BTreeMap<IpAddr, String>,
}

impl Handover {
    /// What became of a virtual router.
    fn told(&self, router: &str, active: Option<IpAddr>) -> String {
        let Some(address) = active else { return format!("{router}: handed over, and no other node is active yet\n") };
        let name = self.names.get(&address);
        let node = name.map_or_else(|| address.to_string(), |name| format!("{name} ({address})"));
        format!("{router}: handed over to {node} in {} ms\n", self.since.elapsed().as_millis())
    }
}

/// How long a node may have fewer bindings than another one until that is told: two databases are not changed at once.
const SETTLE: Duration = Duration::from_secs(5);

/// What is going on between this node and the others.
pub(super) struct Cluster<'a> {
    ha: &'a Handle,
    state_sync: Option<StateSync>,
    /// To look at.
    leases: Option<Leases>,
    attached: Option<bool>,
    /// Interfaces that the programs are attached to, and the index under which they are.
    indices: BTreeMap<String, u32>,
    database: Option<bool>,
    /// How many bindings of each lease are programmed.
    able: BTreeMap<u32, u32>,
    eligible: Eligible,
    /// Virtual routers that are held, as it was told last.
    held: Option<BTreeSet<Vrid>>,
    /// Since when others could forward more.
    behind: BTreeMap<Vrid, Time>,
    /// What comes here and is for the active node.
    strays: Strays,
    /// What standbys have asked of this one.
    requests: Requests,
    /// What was told of all that.
    shortfalls: Report,
    /// Who waits for virtual routers to be active at another node.
    handovers: Vec<Handover>,
    statuses: Arc<Vec<InstanceStatus>>,
    /// Leases of the virtual routers that this node is active for.
    active: BTreeSet<u32>,
    /// How often the addresses of each lease were announced on the underlay.
    announced: BTreeMap<u32, u64>,
    announcer: Announcer,
    /// When its next batch goes out.
    next_batch: Instant,
    senders: BTreeMap<u32, FrameSender>,
    /// When stations are announced once more, by lease.
    again: BTreeMap<u32, Instant>,
    refused: bool,
}

impl<'a> Cluster<'a> {
    /// Nobody is active here as far as it is known yet.
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
                database.role(index, active);
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
        // Counters come each second; what others have told has to be looked at again only in another role.
        if moved { self.follow(forwarding) } else { Ok(()) }
    }

    /// Takes in what is bound where, and how many bindings of each lease are programmed.
    pub(super) fn update(&mut self, config: &Config, rows: &Rows, able: BTreeMap<u32, u32>, underlay: &Snapshot) {
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.update(config, rows, &able, underlay);
        }
        self.able = able;
        self.weigh();
    }

    /// Holds the virtual routers that others could serve better, and lets go of those that this node can.
    fn weigh(&mut self) {
        // Where nothing is heard of others, nothing can be compared.
        let (Some(state_sync), false) = (&self.state_sync, self.statuses.is_empty()) else { return };
        let now = clock::monotonic();
        let mut held = BTreeSet::new();
        for one in self.statuses.iter() {
            let ours = self.able.get(&one.vrid.get().into()).copied().unwrap_or(0);
            let others = state_sync.received().able.get(&one.vrid);
            match self.eligible.poll(one.vrid, &one.status, ours, others, now) {
                Verdict::Eligible => {}
                // What is amiss is told when it has lasted for a while.
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

    /// True unless a connected node could forward more, of any virtual router, for a while.
    pub(super) fn is_able(&self, now: Time) -> bool {
        self.behind.values().all(|since| now < *since + SETTLE)
    }

    /// The connected node that could forward the most bindings of a virtual router, if that are more than this node could
    /// for a while.
    fn ablest(&self, vrid: Vrid, now: Time) -> Option<view::Ablest> {
        self.behind.get(&vrid).filter(|since| now >= **since + SETTLE)?;
        let others = self.state_sync.as_ref()?.received().able.get(&vrid)?;
        let told =
            others.values().filter_map(|able| Some(view::Ablest { node: able.node.clone(), bindings: able.bindings? }));
        told.max_by_key(|able| able.bindings)
    }

    /// These stations were learned here or have moved, or are gone.
    pub(super) fn stations_changed(&mut self, changed: &BTreeSet<FdbKey>) {
        if let Some(state_sync) = &mut self.state_sync {
            state_sync.changed(changed);
        }
    }

    /// Takes in what other nodes have told.
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

    /// Programs what the active nodes have learned, as far as this one is not active itself.
    fn follow(&self, forwarding: &mut Forwarding) -> Result<(), AgentError> {
        let Some(state_sync) = &self.state_sync else { return Ok(()) };
        for one in self.statuses.iter().filter(|one| one.status.role == Role::Backup) {
            if let Some(heard) = state_sync.received().stations.get(&one.vrid) {
                forwarding.follow(one.vrid.get().into(), heard, state_sync.ports())?;
            }
        }
        Ok(())
    }

    /// Tells other nodes what was learned here.
    fn tell(&mut self, forwarding: &Forwarding) {
        let Some(state_sync) = &mut self.state_sync else { return };
        let vrids = self.statuses.iter().map(|one| one.vrid);
        state_sync.publish(forwarding.stations.all(), forwarding.leases_of_switches(), &self.active, vrids);
    }

    /// The data plane is attached, or is not, and on which interfaces it is.
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

    /// Answers those whose virtual routers are active at another node, or at none for too long.
    fn answer_handovers(&mut self) {
        for handover in std::mem::take(&mut self.handovers) {
            let concerned: Vec<_> =
                self.statuses.iter().filter(|one| handover.leases.contains(&one.vrid.get().into())).collect();
            let given = handover.leases.is_disjoint(&self.active);
            let taken = given && concerned.iter().all(|one| one.status.active.is_some());
            let late = handover.since.elapsed() >= SUCCESSOR;
            // Whoever forces it knows that there may be no other node.
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

    /// When [`Cluster::on_time`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.again.values().min().copied();
        let now = (!self.announcer.is_done()).then_some(self.next_batch);
        let tell = self.state_sync.as_ref().and_then(StateSync::due);
        let handover = self.handovers.iter().map(|handover| handover.since + SUCCESSOR).min();
        let weigh = self.eligible.due().map(|due| Instant::now() + due.saturating_sub(clock::monotonic()));
        now.into_iter().chain(next).chain(tell).chain(handover).chain(weigh).min()
    }

    /// Announces a few more stations to the switches outside, or all of them once more, and tells other nodes what is
    /// due.
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

    /// The virtual routers by name, and their roles.
    pub(super) fn roles_by_name(&self) -> Vec<(String, &'static str)> {
        self.statuses.iter().map(|one| (one.name.clone(), view::Role::from(one.status.role).name())).collect()
    }

    /// Looks whether tunnel packets come here that are for another node; if so, that one is asked to announce the addresses.
    pub(super) fn look_for_strays(&mut self, maps: &Maps, now: Time) {
        for one in self.statuses.iter() {
            // What can't be read now can be at the next look.
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

    /// What is said of tunnel packets that come here and are for another node.
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

    /// Logs which virtual routers others could serve better, and whose packets come to the wrong node, once when that begins
    /// and once when it ends.
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

    /// The same, as it was logged.
    pub(super) fn shortfalls(&self) -> impl Iterator<Item = String> {
        self.shortfalls.all().map(str::to_owned)
    }

    /// What stands in the way of the virtual routers.
    pub(super) fn problems_of_routers(&self) -> impl Iterator<Item = String> {
        self.statuses.iter().flat_map(|one| one.problems.iter().map(move |problem| format!("{}: {problem}", one.name)))
    }

    /// How the virtual routers stand.
    pub(super) fn statuses(&self) -> &[InstanceStatus] {
        &self.statuses
    }

    /// What is told of the virtual routers.
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

    /// What is told of the other nodes.
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

    /// What two nodes have differently, and which ones can't be reached.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        self.state_sync.iter().flat_map(|state_sync| state_sync.received().problems.iter().cloned())
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

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}
