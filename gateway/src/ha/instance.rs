//! One virtual router in the loop: its machine, and the hands that do what the machine wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use rtnetlink::Handle;
use tokio::sync::mpsc;

use super::{
    Family, FrameSender,
    addresses::{Mover, Outcome, Report, Site},
    announcing::Announcing,
    leases::LeaseMaps,
    links::Links,
    macvlan,
    observe::{Expected, Observer},
    port::{Port, PortOptions},
    status::{Counters, InstanceStatus},
    sysctl::Sysctls,
    tracking::{self, Conditions},
    voice::Voice,
};
use crate::{
    announce, clock,
    config::{InstanceConfig, Interface, VrrpConfig},
    vrrp::{Action, Advertisement, Heard, Leave, Machine, Priority, Role, Settings, Time, Token, Tracked, Vrid},
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
    pub(crate) database: bool,
    /// The virtual addresses of all of them: no one's source.
    pub(crate) virtual_addresses: BTreeSet<IpAddr>,
    /// The resolution of the data plane's clock.
    pub(crate) tick: Duration,
    pub(crate) voice: Voice,
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
    announcing: Announcing,
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
        let settings = settings(&vrrp, &spoken, None, shared.tick);
        let (resume, hindrance) = match shared.leases.read(vrid) {
            Ok(found) => (found.filter(|end| is_running(*end, now)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut instance = Self {
            vrid,
            name: config.name.clone(),
            machine: Machine::new(settings, now, resume),
            tracked: Tracked::default(),
            port: None,
            reopen: now,
            mover: Mover::start(
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
            announcing: Announcing::default(),
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
            self.close();
            self.reopen = now;
        }
        self.look(shared);
        self.machine.reconfigure(self.settings(shared), now);
        self.turn(shared);
        true
    }

    /// Looks at interfaces and all else that is tracked, and opens the socket if it is not open.
    pub(crate) fn look(&mut self, shared: &mut Shared) {
        let now = clock::monotonic();
        if self.is_astray(&shared.links, &shared.virtual_addresses) {
            self.close();
            self.reopen = now;
        }
        if self.port.is_none() && self.reopen <= now {
            self.open(shared, now);
        }
        self.track(shared, now);
        self.mend(&shared.links);
    }

    fn track(&mut self, shared: &Shared, now: Time) {
        let Shared { links, uplinks, ports, data_plane, database, .. } = shared;
        let conditions = Conditions { links, uplinks, ports, data_plane: *data_plane, database: *database };
        let (mut tracked, problems) = tracking::evaluate(&self.config, conditions);
        // Who can't be heard can't say that it is active.
        tracked.fault |= self.port.is_none();
        self.tracking = problems;
        if self.config.priority == Priority::OWNER
            && let Some(link) = links.get(&self.config.interface)
        {
            for address in self.addresses.iter().filter(|address| !link.addresses.contains(address)) {
                let interface = &self.config.interface;
                self.tracking
                    .insert(format!("priority 255 means that {address} is an address of {interface}, which it is not"));
            }
        }
        if tracked != self.tracked {
            self.tracked = tracked;
            self.machine.track(tracked, now);
        }
    }

    /// True if the socket is no longer the one that would be opened now.
    fn is_astray(&self, links: &Links, virtual_addresses: &BTreeSet<IpAddr>) -> bool {
        let Some(port) = &self.port else { return false };
        let Some(link) = links.get(&self.config.interface) else { return true };
        let source = self.config.source.map_or(true, |source| source == port.source());
        let kept = self.config.source.is_some()
            || link.addresses.contains(&port.source())
            || links.source(&self.config.interface, self.family() == Family::V6, virtual_addresses).is_none();
        link.ifindex != port.ifindex() || !source || !kept
    }

    /// Puts addresses on again that somebody has taken off.
    fn mend(&mut self, links: &Links) {
        if !self.wanted || self.there.is_none() || self.config.priority == Priority::OWNER {
            return;
        }
        let name = if self.config.virtual_mac { self.macvlan() } else { self.config.interface.clone() };
        let whole = |addresses: &[IpAddr]| self.addresses.iter().all(|address| addresses.contains(address));
        if !links.get(&name).is_some_and(|link| whole(&link.addresses)) {
            self.mover.want(true);
        }
    }

    fn open(&mut self, shared: &Shared, now: Time) {
        let all: Vec<IpAddr> = shared.virtual_addresses.iter().copied().collect();
        match Port::open(self.port_options(&all)) {
            Ok(port) => {
                self.port = Some(port);
                self.hindrances.remove(&Work::Listening);
                self.machine.reconfigure(self.settings(shared), now);
                if self.there.is_some() {
                    self.speak();
                }
            }
            Err(error) => {
                self.hindrances.insert(Work::Listening, format!("{error}: this node can't be active"));
                self.reopen = now + REOPEN;
            }
        }
    }

    fn close(&mut self) {
        self.port = None;
    }

    fn port_options<'a>(&'a self, virtual_addresses: &'a [IpAddr]) -> PortOptions<'a> {
        PortOptions {
            interface: &self.config.interface,
            family: self.family(),
            peers: &self.config.peers,
            source: self.config.source,
            virtual_addresses,
        }
    }

    /// From the virtual MAC address, once its interface is there.
    fn speak(&mut self) {
        if !self.config.virtual_mac || self.config.priority == Priority::OWNER {
            return;
        }
        let macvlan = self.macvlan();
        let Some(mut port) = self.port.take() else { return };
        match port.speak_by(&macvlan, self.port_options(&self.addresses)) {
            Ok(()) => {
                self.hindrances.remove(&Work::Speaking);
            }
            Err(error) => {
                self.hindrances.insert(Work::Speaking, error.to_string());
            }
        }
        self.port = Some(port);
    }

    /// One turn: hears all that waits, lets time pass, does what is to be done. True if there is more to hear.
    pub(crate) fn turn(&mut self, shared: &mut Shared) -> bool {
        let now = clock::monotonic();
        if self.port.is_none() && self.reopen <= now {
            self.look(shared);
        }
        // Everything that came before this moment was heard, or it is an earlier moment.
        let heard = self.hear_all(now, shared);
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
            addresses_there: self.there.is_some(),
            problems: problems.chain(self.observer.problems().map(str::to_owned)).collect(),
            counters: self.counters,
            others: self.observer.others().clone(),
        }
    }

    /// For log lines.
    pub(crate) fn title(&self) -> String {
        format!("virtual router {} ({})", self.vrid, self.name)
    }

    /// Gives the time of the last packet heard where more may wait.
    fn hear_all(&mut self, now: Time, shared: &mut Shared) -> Option<Time> {
        let mut last = now;
        for _ in 0..READ_AT_ONCE {
            match self.port.as_mut()?.receive() {
                Ok(Some(received)) => {
                    last = received.at.min(now);
                    self.hear(&received, now);
                }
                Ok(None) => return None,
                Err(error) => {
                    shared.voice.warn(format!("{}: receiving advertisements: {error}", self.title()));
                    self.close();
                    self.reopen = now + REOPEN;
                    self.track(shared, now);
                    return None;
                }
            }
        }
        Some(last)
    }

    fn hear(&mut self, received: &super::Received, now: Time) {
        // Of other virtual routers on the same segment.
        if received.message.get(1).is_some_and(|vrid| *vrid != self.vrid.get()) {
            return;
        }
        let from = received.envelope.from;
        let heard = match Advertisement::parse(&received.message, &received.envelope) {
            Ok(heard) => heard,
            Err(error) => {
                self.counters.refused(&error);
                self.observer.refuse(&error, from, now);
                return;
            }
        };
        let Some(port) = &self.port else { return };
        let expected = Expected {
            own: port.source(),
            version: self.config.version,
            priority: self.config.priority,
            interval: self.config.interval,
            addresses: &self.spoken,
            peers: &self.config.peers,
        };
        if !self.observer.hear(&heard, from, expected, now) {
            self.counters.addr_list_err += 1;
            return;
        }
        self.counters.advert_rcvd += 1;
        self.counters.priority_zero_rcvd += u64::from(heard.priority == 0);
        self.machine.heard(Heard { from, priority: heard.priority, interval: heard.interval }, received.at);
    }

    /// Tells the machine which advertisements have left.
    fn departures(&mut self) {
        while let Some((token, started)) = self.port.as_mut().and_then(Port::left) {
            self.machine.left(token, started, clock::monotonic());
        }
    }

    fn perform(&mut self, shared: &mut Shared) {
        while let Some(action) = self.machine.next() {
            match action {
                Action::Advertise { token, priority, interval } => {
                    self.advertise(token, priority, interval);
                    self.departures();
                }
                Action::Lease(until) => self.lease(until, shared),
                Action::AddAddresses => {
                    self.wanted = true;
                    self.moving = true;
                    self.mover.want(true);
                }
                Action::RemoveAddresses => {
                    self.wanted = false;
                    self.moving = true;
                    self.announce = false;
                    self.announcing.stop();
                    if let Some(port) = &mut self.port {
                        port.speak_plainly();
                    }
                    self.mover.want(false);
                }
                Action::Announce => self.announce = true,
            }
        }
    }

    fn advertise(&mut self, token: Token, priority: u8, interval: crate::vrrp::Interval) {
        let advertisement = Advertisement {
            version: self.config.version,
            vrid: self.vrid,
            priority,
            interval,
            addresses: self.spoken.clone(),
            checksum: self.config.checksum,
        };
        let started = clock::monotonic();
        let sent = match &mut self.port {
            Some(port) => port.send(&advertisement, token, started).map_err(|error| Some(error.to_string())),
            None => Err(None),
        };
        match sent {
            Ok(()) => {
                self.counters.advert_sent += 1;
                self.counters.priority_zero_sent += u64::from(priority == 0);
                self.hindrances.remove(&Work::Sending);
            }
            Err(reason) => {
                self.counters.send_err += 1;
                if let Some(reason) = reason {
                    self.hindrances.insert(Work::Sending, format!("sending advertisements: {reason}"));
                }
                self.machine.failed(token, clock::monotonic());
            }
        }
    }

    fn lease(&mut self, until: Time, shared: &mut Shared) {
        match shared.leases.write(self.vrid, until) {
            Ok(()) => {
                self.hindrances.remove(&Work::Leasing);
            }
            Err(error) => {
                self.hindrances.insert(Work::Leasing, error.to_string());
            }
        }
    }

    /// Sends the announcements that are due.
    fn announce(&mut self, now: Time, shared: &Shared) {
        let Some(ifindex) = self.there.filter(|_| self.wanted) else { return };
        if self.announce {
            self.announce = false;
            self.announcing.begin(&self.config.announce, now);
        }
        if !self.announcing.due(&self.config.announce, now) {
            return;
        }
        let mac = if self.config.virtual_mac && self.config.priority != Priority::OWNER {
            Some(macvlan::virtual_mac(self.vrid, self.family() == Family::V6))
        } else {
            shared.links.get(&self.config.interface).and_then(|link| link.mac)
        };
        // An interface without a MAC address has no neighbours to tell.
        let Some(mac) = mac else { return };
        let sent = FrameSender::open(ifindex).and_then(|sender| {
            self.addresses.iter().try_for_each(|address| sender.send(&announce::takeover(mac, *address)))
        });
        match sent {
            Ok(()) => {
                self.hindrances.remove(&Work::Announcing);
            }
            Err(error) => {
                self.hindrances.insert(Work::Announcing, format!("announcing the addresses: {error}"));
            }
        }
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
        settings(&self.config, &self.spoken, self.port.as_ref().map(Port::source), shared.tick)
    }
}

/// All addresses of an instance, and those its advertisements carry: IPv4 where there is one.
fn addresses(config: &InstanceConfig) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
    let v4 = config.vteps.v4.map(IpAddr::V4);
    let v6 = config.vteps.v6.map(IpAddr::V6);
    Some((v4.into_iter().chain(v6).collect(), vec![v4.or(v6)?]))
}

/// The virtual addresses of all instances.
pub(crate) fn virtual_addresses(instances: &[InstanceConfig]) -> BTreeSet<IpAddr> {
    // The owner's are the interface's own, and it may well send from them.
    let virtual_ones = instances.iter().filter(|one| one.vrrp.as_ref().is_some_and(|v| v.priority != Priority::OWNER));
    virtual_ones.filter_map(addresses).flat_map(|(all, _)| all).collect()
}

fn site(config: &VrrpConfig, addresses: &[IpAddr]) -> Site {
    Site {
        vrid: config.vrid,
        interface: config.interface.clone(),
        addresses: addresses.to_vec(),
        virtual_mac: config.virtual_mac,
        owner: config.priority == Priority::OWNER,
    }
}

fn settings(config: &VrrpConfig, spoken: &[IpAddr], own: Option<IpAddr>, tick: Duration) -> Settings {
    // Until there is a socket it can't be active, and loses every comparison.
    let none = if spoken.iter().all(IpAddr::is_ipv4) {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    Settings {
        priority: config.priority,
        interval: config.interval,
        version: config.version,
        own: own.unwrap_or(none),
        preempt: config.preempt,
        preempt_delay: config.preempt_delay,
        startup_delay: config.startup_delay,
        tick,
    }
}

/// Whether a lease found is one that an earlier run may have given itself: no longer than three of the longest
/// intervals.
fn is_running(end: Time, now: Time) -> bool {
    const LONGEST: Duration = Duration::from_millis(3 * 40_950);
    end > now && end <= now + LONGEST
}
