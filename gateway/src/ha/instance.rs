//! One virtual router in the loop: its machine, and the hands that do what the machine wants.

mod surroundings;
mod terms;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use rtnetlink::Handle;
use terms::{addresses, is_running, settings, site};
pub(crate) use terms::{site_of, virtual_addresses};
use tokio::sync::mpsc;

use super::{
    Family, FrameSender,
    addresses::{Mover, Outcome, Report},
    announcing::Announcing,
    leases::LeaseMaps,
    links::Links,
    macvlan,
    net::Net,
    observe::Observer,
    port::Port,
    status::{Counters, InstanceStatus},
    sysctl::Sysctls,
    voice::Voice,
};
use crate::{
    clock,
    config::{InstanceConfig, Interface, VrrpConfig},
    vrrp::{Authenticator, Leave, Machine, Priority, Role, Settings, Time, Tracked, Vrid},
};

/// Packets read in one turn.
const READ_AT_ONCE: usize = 256;
/// After a socket could not be opened, time until it is tried again.
const REOPEN: Duration = Duration::from_millis(500);

/// What the virtual routers share.
pub(crate) struct Shared {
    pub(crate) leases: LeaseMaps,
    pub(crate) links: Arc<Links>,
    pub(crate) uplinks: Vec<Interface>,
    pub(crate) ports: Vec<Interface>,
    pub(crate) data_plane: bool,
    /// Interfaces that the programs are attached to, and the index under which they are.
    pub(crate) attached: BTreeMap<String, u32>,
    pub(crate) database: bool,
    /// The virtual addresses of all of them: no one's source.
    pub(crate) virtual_addresses: BTreeSet<IpAddr>,
    /// How far the data plane's clock lags at most.
    pub(crate) lag: Duration,
    pub(crate) voice: Voice,
    /// Where requests to the kernel wait.
    pub(crate) net: Net,
    pub(crate) netlink: Handle,
    pub(crate) sysctls: Sysctls,
    pub(crate) reports: mpsc::UnboundedSender<Report>,
}

/// What stands in the way, by what it was met in; each is gone when that has worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Listening,
    Speaking,
    Sending,
    Leasing,
    Moving,
    Announcing,
}

/// A virtual router that runs.
pub(crate) struct Instance {
    vrid: Vrid,
    name: String,
    config: VrrpConfig,
    /// All its addresses.
    addresses: Vec<IpAddr>,
    /// Those that advertisements carry.
    spoken: Vec<IpAddr>,
    machine: Machine,
    auth: Authenticator,
    tracked: Tracked,
    port: Option<Port>,
    reopen: Time,
    mover: Mover,
    /// The addresses are wanted there.
    wanted: bool,
    /// That is on its way.
    moving: bool,
    /// The interface that has them.
    there: Option<u32>,
    /// They are to be announced as soon as they are there.
    announce: bool,
    announced: u64,
    announcing: Announcing,
    /// What announcements are sent by, and on which interface.
    sender: Option<(u32, FrameSender)>,
    observer: Observer,
    counters: Counters,
    tracking: BTreeSet<String>,
    hindrances: BTreeMap<Work, String>,
    role: Role,
}

impl Instance {
    /// Starts one; nothing for an instance without VRRP, or without an address.
    pub(crate) fn start(config: &InstanceConfig, shared: &mut Shared) -> Option<Self> {
        let vrrp = config.vrrp.clone()?;
        let (addresses, spoken) = addresses(config)?;
        let now = clock::monotonic();
        let vrid = vrrp.vrid;
        let settings = settings(&vrrp, &spoken, None, shared.lag);
        let (resume, hindrance) = match shared.leases.read(vrid) {
            Ok(found) => (found.filter(|end| is_running(*end, now)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut instance = Self {
            vrid,
            name: config.name.clone(),
            machine: Machine::new(settings, now, resume),
            auth: Authenticator::new(terms::auth(&vrrp)),
            tracked: Tracked::default(),
            port: None,
            reopen: now,
            mover: Mover::start(
                &shared.net,
                shared.netlink.clone(),
                shared.sysctls.clone(),
                site(&vrrp, &addresses),
                resume.is_some(),
                shared.reports.clone(),
            ),
            wanted: resume.is_some(),
            moving: true,
            there: None,
            announce: false,
            announced: 0,
            announcing: Announcing::default(),
            sender: None,
            observer: Observer::default(),
            counters: Counters::default(),
            tracking: BTreeSet::new(),
            hindrances: hindrance.map(|text| (Work::Leasing, text)).into_iter().collect(),
            role: Role::default(),
            config: vrrp,
            addresses,
            spoken,
        };
        match resume {
            Some(_) => shared.voice.info(format!("{} keeps its role: its lease still runs", instance.title())),
            // Whatever an earlier run has left there is over.
            None => instance.lease(Time::ZERO, shared),
        }
        instance.look(shared);
        Some(instance)
    }

    /// Takes over another configuration of the same VRID; false if there is nothing left of it.
    pub(crate) fn reconfigure(&mut self, config: &InstanceConfig, shared: &mut Shared) -> bool {
        let (Some(vrrp), Some((addresses, spoken))) = (config.vrrp.clone(), addresses(config)) else { return false };
        let now = clock::monotonic();
        let anew = self.addresses != addresses
            || self.config.interface != vrrp.interface
            || self.config.virtual_mac != vrrp.virtual_mac
            || (self.config.priority == Priority::OWNER) != (vrrp.priority == Priority::OWNER);
        let reopen = anew || self.config.peers != vrrp.peers || self.config.source != vrrp.source;
        if anew {
            // Another virtual router, as far as the others are concerned.
            self.leave(Leave::Handover, shared);
        }
        self.name.clone_from(&config.name);
        self.auth.reconfigure(terms::auth(&vrrp));
        self.config = vrrp;
        self.addresses = addresses;
        self.spoken = spoken;
        if anew {
            self.machine = Machine::new(self.settings(shared), now, None);
            self.tracked = Tracked::default();
            self.observer = Observer::default();
            self.mover.moved(site(&self.config, &self.addresses));
        }
        if reopen {
            self.close(shared);
            self.reopen = now;
        }
        self.look(shared);
        self.machine.reconfigure(self.settings(shared), now);
        self.turn(shared);
        true
    }

    /// One turn: hears all that waits, lets time pass, does what is to be done. True if there is more to hear.
    pub(crate) fn turn(&mut self, shared: &mut Shared) -> bool {
        let now = clock::monotonic();
        if self.port.is_none() && self.reopen <= now {
            self.look(shared);
        }
        // Everything that came before this moment was heard, or it is an earlier moment.
        let heard = self.hear_all(now, shared);
        if self.port.as_mut().is_some_and(Port::overran) {
            self.machine.overran(now);
        }
        self.departures();
        self.perform(shared);
        self.machine.tick(heard.unwrap_or(now));
        self.perform(shared);
        self.announce(now, shared);
        self.observer.expire(now);
        self.tell(shared);
        heard.is_some()
    }

    /// When the next turn is due even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let reopen = self.port.is_none().then_some(self.reopen);
        let due = [self.machine.deadline(), self.announcing.deadline(), self.observer.deadline(), reopen];
        due.into_iter().flatten().min()
    }

    /// Returns when there may be something to hear.
    pub(crate) async fn ready(&self) {
        match &self.port {
            Some(port) => port.ready().await,
            None => std::future::pending().await,
        }
    }

    /// Gives up the role.
    pub(crate) fn handover(&mut self, shared: &mut Shared) {
        self.machine.handover(clock::monotonic());
        self.perform(shared);
        self.tell(shared);
    }

    /// The process ends, or this virtual router does.
    pub(crate) fn leave(&mut self, how: Leave, shared: &mut Shared) {
        self.machine.leave(how, clock::monotonic());
        self.perform(shared);
        self.tell(shared);
    }

    /// True while what was done on leaving is still on its way.
    pub(crate) fn is_leaving(&self, how: Leave) -> bool {
        match how {
            Leave::Handover => self.moving,
            Leave::Keep => !self.machine.finished(),
        }
    }

    /// The addresses have moved, or could not be moved.
    pub(crate) fn moved(&mut self, outcome: Outcome, shared: &mut Shared) {
        match outcome {
            Outcome::There(ifindex) if self.wanted => {
                let before = self.there.replace(ifindex);
                self.moving = false;
                self.hindrances.remove(&Work::Moving);
                if before != self.there {
                    self.speak();
                }
            }
            Outcome::There(_) => {}
            Outcome::Gone => {
                self.there = None;
                self.moving = self.wanted;
                self.hindrances.remove(&Work::Moving);
            }
            Outcome::Failed(text) => {
                self.hindrances.insert(Work::Moving, text);
            }
        }
        self.announce(clock::monotonic(), shared);
    }

    /// Another map of leases is in use, and has to hold the lease that runs.
    pub(crate) fn renew(&mut self, shared: &mut Shared) {
        let lease = self.machine.status().lease.unwrap_or(Time::ZERO);
        self.lease(lease, shared);
    }

    /// How it stands.
    pub(crate) fn status(&self) -> InstanceStatus {
        let problems = self.tracking.iter().chain(self.hindrances.values()).cloned();
        InstanceStatus {
            vrid: self.vrid,
            name: self.name.clone(),
            status: self.machine.status(),
            source: self.port.as_ref().map(Port::source),
            addresses_there: self.there.is_some(),
            announced: self.announced,
            problems: problems.chain(self.observer.problems().map(str::to_owned)).collect(),
            counters: self.counters,
            others: self.observer.others().clone(),
        }
    }

    /// For log lines.
    pub(crate) fn title(&self) -> String {
        format!("virtual router {} ({})", self.vrid, self.name)
    }

    /// Counts and tells a change of role.
    fn tell(&mut self, shared: &mut Shared) {
        let status = self.machine.status();
        if status.role == self.role {
            return;
        }
        self.counters.become_master += u64::from(status.role == Role::Active);
        self.counters.release_master += u64::from(self.role == Role::Active);
        self.role = status.role;
        let why = match (status.role, status.active) {
            (Role::Starting, _) => "starting".to_owned(),
            (Role::Fault, _) => "fault: this node can't be active".to_owned(),
            (Role::Backup, Some(active)) => format!("backup of {active}"),
            (Role::Backup, None) => "backup".to_owned(),
            (Role::Claiming, _) => format!("claiming the role with priority {}", status.priority),
            (Role::Active, _) => format!("active with priority {}", status.priority),
        };
        shared.voice.info(format!("{}: {why}", self.title()));
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
