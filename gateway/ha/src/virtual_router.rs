//! One virtual router in the loop: its [`Machine`], and the worker that performs its actions.

mod faults;
mod settings;
mod tracking;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use gateway_base::clock;
use gateway_config::{InstanceConfig, Interface, VrrpConfig};
use gateway_netdev::{
    addresses::{Mover, Outcome, Report},
    frames::FrameSender,
    links::Links,
    macvlan,
    net_thread::Net,
    netlink::Handle,
    sysctl::Sysctls,
};
use gateway_vrrp::{Authenticator, Leave, Machine, Priority, Role, Settings, Time, Vrid, perform, turn};
use settings::{addresses, is_running, placement, settings};
use tokio::sync::mpsc;
use work::Acting;

use super::{
    Counters, Family, announcing::Announcing, leases::LeaseMaps, log_queue::LogQueue, observe::Observer, port::Port,
    status::VirtualRouterStatus,
};

pub(crate) use settings::{placement_of, virtual_addresses};

/// The most packets that are read in one turn.
const READ_AT_ONCE: usize = 256;
/// Time after which a socket that could not be opened is tried again.
const REOPEN: Duration = Duration::from_millis(500);

/// State that all virtual routers share.
pub(crate) struct Shared {
    pub leases: LeaseMaps,
    pub links: Arc<Links>,
    pub uplinks: Vec<Interface>,
    pub ports: Vec<Interface>,
    /// True if the data plane is attached. `None`: not known yet.
    pub data_plane: Option<bool>,
    /// Interfaces to which the programs are attached, and their index at that time.
    pub attached: BTreeMap<String, u32>,
    pub database: bool,
    /// Virtual routers that another node could serve better.
    pub held: BTreeSet<Vrid>,
    /// The virtual addresses of all virtual routers. None of them may be a source address.
    pub virtual_addresses: BTreeSet<IpAddr>,
    /// Longest time by which the clock of the data plane lags.
    pub lag: Duration,
    pub(crate) log_queue: LogQueue,
    /// Queue of requests to the kernel.
    pub net: Net,
    pub netlink: Handle,
    pub sysctls: Sysctls,
    pub reports: mpsc::UnboundedSender<Report>,
}

/// Work that can fail, as the key of its problem. A problem is gone when the work has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Listening,
    Speaking,
    Sending,
    Leasing,
    Moving,
    Announcing,
}

/// A running virtual router: its [`Machine`] and its body.
pub(crate) struct VirtualRouter {
    machine: Machine,
    body: Body,
}

/// All parts of a virtual router except its [`Machine`].
struct Body {
    vrid: Vrid,
    name: String,
    config: VrrpConfig,
    /// All its virtual addresses.
    addresses: Vec<IpAddr>,
    /// The addresses that advertisements carry.
    spoken: Vec<IpAddr>,
    auth: Authenticator,
    port: Option<Port>,
    reopen: Time,
    placement: PlacementState,
    announcements: Announcements,
    observer: Observer,
    counters: Counters,
    tracking: BTreeSet<String>,
    work_faults: BTreeMap<Work, String>,
    role: Role,
}

/// The virtual addresses on the interface.
struct PlacementState {
    mover: Mover,
    /// The addresses should be on the interface.
    wanted: bool,
    /// A change of the addresses is pending.
    moving: bool,
    /// Index of the interface that has the addresses.
    there: Option<u32>,
}

/// Announcements of the virtual addresses to the neighbours.
#[derive(Default)]
struct Announcements {
    /// The addresses are to be announced as soon as they are on the interface.
    requested: bool,
    /// Number of announcements, which the agent follows.
    sent: u64,
    schedule: Announcing,
    /// Socket for announcements, and the index of its interface.
    sender: Option<(u32, FrameSender)>,
}

impl VirtualRouter {
    /// Starts a virtual router. Returns `None` for an instance without VRRP, or without an address.
    pub(crate) fn start(config: &InstanceConfig, shared: &mut Shared) -> Option<Self> {
        let vrrp = config.vrrp.clone()?;
        let (addresses, spoken) = addresses(config)?;
        let now = clock::monotonic();
        let vrid = vrrp.vrid;
        let settings = settings(&vrrp, &spoken, None, shared.lag);
        let (resume, work_fault) = match shared.leases.read(vrid) {
            Ok(found) => (found.filter(|end| is_running(*end, now)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mover = Mover::start(
            &shared.net,
            shared.netlink.clone(),
            shared.sysctls.clone(),
            placement(&vrrp, &addresses),
            resume.is_some(),
            shared.reports.clone(),
        );
        let body = Body {
            vrid,
            name: config.name.clone(),
            auth: Authenticator::new(settings::auth(&vrrp)),
            port: None,
            reopen: now,
            placement: PlacementState { mover, wanted: resume.is_some(), moving: true, there: None },
            announcements: Announcements::default(),
            observer: Observer::default(),
            counters: Counters::default(),
            tracking: BTreeSet::new(),
            work_faults: work_fault.map(|text| (Work::Leasing, text)).into_iter().collect(),
            role: Role::default(),
            config: vrrp,
            addresses,
            spoken,
        };
        let mut router = Self { machine: Machine::new(settings, now, resume), body };
        match resume {
            Some(_) => shared.log_queue.info(format!("{} keeps its role: its lease still runs", router.title())),
            // A lease that an earlier run has left is void.
            None => router.body.lease(Time::ZERO, shared),
        }
        router.look(shared);
        Some(router)
    }

    /// Changes the configuration, for the same VRID. Returns false if the virtual router no longer exists.
    pub(crate) fn reconfigure(&mut self, config: &InstanceConfig, shared: &mut Shared) -> bool {
        let (Some(vrrp), Some((addresses, spoken))) = (config.vrrp.clone(), addresses(config)) else { return false };
        let now = clock::monotonic();
        let old = &self.body.config;
        let restart = self.body.addresses != addresses
            || old.interface != vrrp.interface
            || old.virtual_mac != vrrp.virtual_mac
            || (old.priority == Priority::OWNER) != (vrrp.priority == Priority::OWNER);
        let reopen = restart || old.peers != vrrp.peers || old.source != vrrp.source;
        if restart {
            // It is another virtual router as far as other nodes are concerned.
            self.leave(Leave::Handover, shared);
        }
        let body = &mut self.body;
        body.name.clone_from(&config.name);
        body.auth.reconfigure(settings::auth(&vrrp));
        body.config = vrrp;
        body.addresses = addresses;
        body.spoken = spoken;
        if restart {
            self.machine = Machine::new(body.settings(shared), now, None);
            body.observer = Observer::default();
            body.placement.mover.moved(placement(&body.config, &body.addresses));
        }
        if reopen {
            body.close(shared);
            body.reopen = now;
        }
        self.look(shared);
        self.machine.reconfigure(self.body.settings(shared), now);
        self.turn(shared);
        true
    }

    /// Takes a turn ([`turn`]), and does related work. Returns true if more packets may wait.
    pub(crate) fn turn(&mut self, shared: &mut Shared) -> bool {
        let now = clock::monotonic();
        if self.body.port.is_none() && self.body.reopen <= now {
            self.look(shared);
        }
        let mut worker = Acting { body: &mut self.body, shared };
        // The worker never waits, so the future is ready.
        let more = turn(&mut self.machine, &mut worker, READ_AT_ONCE).now_or_never().unwrap_or_default();
        self.body.announce(now, shared);
        self.body.observer.expire(now);
        self.log_role(shared);
        more
    }

    /// Returns the time at which the next turn is due even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let body = &self.body;
        let reopen = body.port.is_none().then_some(body.reopen);
        let due = [self.machine.deadline(), body.announcements.schedule.deadline(), body.observer.deadline(), reopen];
        due.into_iter().flatten().min()
    }

    /// Resolves when there may be a packet to read.
    pub(crate) async fn ready(&self) {
        match &self.body.port {
            Some(port) => port.ready().await,
            None => std::future::pending().await,
        }
    }

    /// Handles a suspension of the whole machine, which has just ended.
    pub(crate) fn slept(&mut self, shared: &mut Shared) {
        self.machine.slept(clock::monotonic());
        self.perform(shared);
    }

    /// Gives the role away.
    pub(crate) fn handover(&mut self, shared: &mut Shared) {
        self.machine.handover(clock::monotonic());
        self.perform(shared);
    }

    /// Leaves, because the process or this virtual router ends.
    pub(crate) fn leave(&mut self, how: Leave, shared: &mut Shared) {
        self.machine.leave(how, clock::monotonic());
        self.perform(shared);
    }

    fn perform(&mut self, shared: &mut Shared) {
        let mut worker = Acting { body: &mut self.body, shared };
        // The worker never waits, as in a turn.
        let _done = perform(&mut self.machine, &mut worker).now_or_never();
        self.log_role(shared);
    }

    /// Returns true while an action of the departure is pending.
    pub(crate) fn is_leaving(&self, how: Leave) -> bool {
        match how {
            Leave::Handover => self.body.placement.moving,
            Leave::Keep => !self.machine.finished(),
        }
    }

    /// Handles the result of a change of addresses.
    pub(crate) fn moved(&mut self, outcome: Outcome, shared: &mut Shared) {
        self.body.moved(outcome);
        self.body.announce(clock::monotonic(), shared);
    }

    /// Writes the current lease to a new map of leases.
    pub(crate) fn renew(&mut self, shared: &mut Shared) {
        let lease = self.machine.status().lease.unwrap_or(Time::ZERO);
        self.body.lease(lease, shared);
    }

    /// Announces the addresses once more if this node is active: a neighbour does not know where they are.
    pub(crate) fn announce_again(&mut self, shared: &Shared) {
        if self.machine.status().role == Role::Active {
            self.body.announcements.requested = true;
            self.body.announce(clock::monotonic(), shared);
        }
    }

    /// Returns the status.
    pub(crate) fn status(&self) -> VirtualRouterStatus {
        let body = &self.body;
        let status = self.machine.status();
        let faults = faults::faults(&status, &body.config.interface, clock::monotonic());
        let problems = body.tracking.iter().chain(body.work_faults.values()).cloned();
        let problems = problems.chain(body.observer.problems().map(str::to_owned)).chain(faults.iter().cloned());
        VirtualRouterStatus {
            vrid: body.vrid,
            name: body.name.clone(),
            status,
            source: body.port.as_ref().map(Port::source),
            addresses_there: body.placement.there.is_some(),
            announced: body.announcements.sent,
            problems: problems.collect(),
            faults,
            counters: body.counters,
            others: body.observer.others().clone(),
        }
    }

    /// Returns the name for log lines.
    pub(crate) fn title(&self) -> String {
        self.body.title()
    }

    /// Counts and logs a change of role.
    fn log_role(&mut self, shared: &mut Shared) {
        let status = self.machine.status();
        let body = &mut self.body;
        if status.role == body.role {
            return;
        }
        body.counters.become_master += u64::from(status.role == Role::Active);
        body.counters.release_master += u64::from(body.role == Role::Active);
        body.role = status.role;
        let why = match (status.role, status.active) {
            (Role::Starting, _) => "starting".to_owned(),
            (Role::Fault, _) => "fault: this node can't be active".to_owned(),
            (Role::Backup, Some(active)) => format!("backup of {active}"),
            (Role::Backup, None) => "backup".to_owned(),
            (Role::Claiming, _) => format!("claiming the role with priority {}", status.priority),
            (Role::Active, _) => format!("active with priority {}", status.priority),
        };
        let title = body.title();
        shared.log_queue.info(format!("{title}: {why}"));
    }
}

impl Body {
    fn title(&self) -> String {
        format!("virtual router {} ({})", self.vrid, self.name)
    }

    fn moved(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::There(ifindex) if self.placement.wanted => {
                let before = self.placement.there.replace(ifindex);
                self.placement.moving = false;
                self.work_faults.remove(&Work::Moving);
                if before != self.placement.there {
                    self.speak();
                }
            }
            Outcome::There(_) => {}
            Outcome::Gone => {
                self.placement.there = None;
                self.placement.moving = self.placement.wanted;
                self.work_faults.remove(&Work::Moving);
            }
            Outcome::Failed(text) => {
                self.work_faults.insert(Work::Moving, text);
            }
        }
    }

    fn family(&self) -> Family {
        if macvlan::is_ipv6(&self.addresses) { Family::V6 } else { Family::V4 }
    }

    fn macvlan(&self) -> String {
        macvlan::name(self.vrid, self.family() == Family::V6)
    }

    fn settings(&self, shared: &Shared) -> Settings {
        settings(&self.config, &self.spoken, self.port.as_ref().map(Port::source), shared.lag)
    }
}
