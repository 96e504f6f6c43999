//! Event log for clients that monitor the gateway: the agent's side of [`gateway_api::events`].
//!
//! It reads what the rest of the agent has done in a turn, and changes nothing of it. Its cost is bounded in each turn:
//! of a station it keeps only the place, and it formats an event only if the journal has room for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_api::{
    events::{Cursor, Event, Kind, Source, Why},
    view::{self, Place},
};
use gateway_common::{
    binding::BindingKey,
    event::{self, LearnEvent},
    fdb::FdbKey,
    net::MacAddr,
};
use gateway_config::rows::Rows;
use gateway_datapath::learned::FdbScan;
use gateway_ha::VirtualRouterStatus;
use gateway_netdev::underlay::{Resolution, Snapshot};
use gateway_vrrp::Time;

use super::data_plane::DataPlane;
use crate::{
    ctl::Request,
    events::{
        journal::{Journal, Moment},
        places::{At, Places},
        readers::Readers,
        standing::{self, Bindings, Databases, RouterState, Switches},
    },
};

/// Journal, and the last state of everything that it records.
pub(super) struct EventLog {
    journal: Journal,
    places: Places,
    readers: Readers,
    /// Names of interfaces by index.
    interfaces: BTreeMap<u32, String>,
    /// Remote VTEPs by number of the tunnel.
    tunnels: BTreeMap<u32, IpAddr>,
    switches: Switches,
    bindings: Bindings,
    hops: BTreeMap<IpAddr, Resolution>,
    faults: BTreeSet<&'static str>,
    problems: BTreeMap<Source, BTreeSet<String>>,
    routers: BTreeMap<u8, RouterState>,
    databases: Databases,
}

impl EventLog {
    /// Starts the log with the state that a newly started agent has found and made.
    pub(super) fn start(
        adopted: bool,
        forwarding: &mut impl DataPlane,
        rows: &Rows,
        underlay: &Snapshot,
        now: Moment,
    ) -> Self {
        let mut this = Self {
            journal: Journal::new(now),
            places: Places::default(),
            readers: Readers::default(),
            interfaces: interfaces(underlay),
            tunnels: tunnels(forwarding),
            switches: switches(forwarding, rows),
            bindings: Bindings::new(),
            hops: underlay.hops.clone(),
            faults: BTreeSet::new(),
            problems: BTreeMap::new(),
            routers: BTreeMap::new(),
            databases: Databases::new(),
        };
        this.bindings = this.bindings_of(forwarding);
        for fdb_scan in forwarding.take_fdb_scans() {
            this.places.fdb_scan(&fdb_scan.local, &fdb_scan.remote);
        }
        let started = Event::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            adopted,
            switches: this.switches.len(),
            bindings: this.bindings.len(),
            tunnels: this.tunnels.len(),
        };
        this.note(started, now);
        this.forwarding(forwarding, rows, underlay, now);
        this
    }

    /// Records an event.
    pub(super) fn note(&mut self, event: Event, now: Moment) {
        self.journal.note(event, now);
    }

    /// Records a learning event of the kernel.
    pub(super) fn station(&mut self, event: &LearnEvent, forwarding: &impl DataPlane, now: Moment) {
        let key = FdbKey::new(event.vni, event.mac);
        // A static MAC has been restored.
        if forwarding.programmed().static_macs.contains_key(&key) {
            return;
        }
        let kind = match event.kind {
            event::LEARNED => Kind::Learned,
            event::MOVED => Kind::Moved,
            event::SNOOPED => Kind::Announced,
            _ => return,
        };
        let from = if kind == Kind::Announced { None } else { self.places.event(event) };
        let Self { journal, interfaces, tunnels, switches, .. } = self;
        journal.note_with(kind, event.vni, now, || {
            let place = |at| place(interfaces, tunnels, at);
            let (vni, mac, at) = (event.vni, MacAddr(event.mac), place(At::of(&event.to)));
            let switch = switches.get(&vni).cloned().flatten();
            match kind {
                Kind::Moved => Event::Moved { vni, switch, mac, from: from.map(place), at },
                Kind::Announced => Event::Announced { vni, switch, mac, ip: event.ip.into(), at },
                _ => Event::Learned { vni, switch, mac, at },
            }
        });
    }

    /// Records changes of interfaces, logical switches, bindings, next hops and problems, and stations that are gone.
    pub(super) fn forwarding(
        &mut self,
        forwarding: &mut impl DataPlane,
        rows: &Rows,
        underlay: &Snapshot,
        now: Moment,
    ) {
        // Events have the names from before the change.
        for fdb_scan in forwarding.take_fdb_scans() {
            self.fdb_scan(&fdb_scan, forwarding, now);
        }
        self.interfaces = interfaces(underlay);
        self.tunnels = tunnels(forwarding);
        let switches = switches(forwarding, rows);
        let names = self.switches.iter().chain(&switches).map(|(vni, name)| (*vni, name.clone())).collect();
        let bindings = self.bindings_of(forwarding);
        let mut events = standing::switches(&self.switches, &switches);
        events.extend(standing::bindings(&self.bindings, &bindings, &names));
        (self.switches, self.bindings) = (switches, bindings);
        if self.hops != underlay.hops {
            let name = |ifindex| name(&self.interfaces, ifindex);
            events.extend(standing::hops(&self.hops, &underlay.hops, name));
            self.hops = underlay.hops.clone();
        }
        let faults: BTreeSet<&'static str> = forwarding.faults().iter().map(|fault| fault.as_str()).collect();
        events.extend(standing::faults(&self.faults, &faults));
        self.faults = faults;
        self.note_all(events, now);
        self.problems(Source::Forwarding, forwarding.problems(), now);
    }

    /// Records changes of problems only.
    pub(super) fn forwarding_problems(&mut self, forwarding: &impl DataPlane, now: Moment) {
        self.problems(Source::Forwarding, forwarding.problems(), now);
    }

    fn fdb_scan(&mut self, fdb_scan: &FdbScan, forwarding: &impl DataPlane, now: Moment) {
        let Self { journal, places, interfaces, tunnels, switches, .. } = self;
        let difference = places.fdb_scan(&fdb_scan.local, &fdb_scan.remote);
        let aged: BTreeSet<&FdbKey> = fdb_scan.aged.iter().collect();
        for (key, at) in difference.gone {
            let kind = if aged.contains(&key) { Kind::Aged } else { Kind::Forgotten };
            journal.note_with(kind, key.vni, now, || {
                let at = at.map(|at| place(interfaces, tunnels, at));
                let (vni, mac) = (key.vni, MacAddr(key.mac));
                let switch = switches.get(&vni).cloned().flatten();
                let is_static = forwarding.programmed().static_macs.contains_key(&key);
                match kind {
                    Kind::Aged => Event::Aged { vni, switch, mac, at },
                    _ => {
                        Event::Forgotten { vni, switch, mac, at, why: if is_static { Why::Static } else { Why::Gone } }
                    }
                }
            });
        }
        for key in difference.found {
            // A station that another node has learned and published to this one is no event here.
            if forwarding.is_followed(&key) {
                continue;
            }
            let Some(entry) = forwarding.mac(&key) else { continue };
            let at = At::of(&entry.to);
            places.found(key, at);
            journal.note_with(Kind::Learned, key.vni, now, || {
                let switch = switches.get(&key.vni).cloned().flatten();
                Event::Learned { vni: key.vni, switch, mac: MacAddr(key.mac), at: place(interfaces, tunnels, at) }
            });
        }
    }

    /// Records changes of the virtual routers.
    pub(super) fn routers(&mut self, statuses: &[VirtualRouterStatus], now: Moment) {
        let router = |one: &VirtualRouterStatus| RouterState {
            name: one.name.clone(),
            role: one.status.role.into(),
            since: one.status.since,
            active_node: one.status.active,
            priority: one.status.priority.get(),
        };
        let routers = statuses.iter().map(|one| (one.vrid.get(), router(one))).collect();
        let events = standing::roles(&self.routers, &routers);
        self.routers = routers;
        self.note_all(events, now);
        let problem =
            |one: &VirtualRouterStatus, text: &String| format!("virtual router {} ({}): {text}", one.vrid, one.name);
        let problems = statuses.iter().flat_map(|one| one.problems.iter().map(move |text| problem(one, text)));
        self.problems(Source::Vrrp, &problems.collect(), now);
    }

    /// Records changes of the problems with other nodes.
    pub(super) fn nodes(&mut self, problems: &BTreeSet<String>, now: Moment) {
        self.problems(Source::Nodes, problems, now);
    }

    /// Records changes of the state of the database.
    pub(super) fn database(&mut self, database: &view::Database, now: Moment) {
        let followed = database.followed();
        let one = |(instance, is): &(Option<&str>, &view::Following)| {
            let database = standing::Database { state: is.state, remote: is.remote.clone() };
            (instance.map(str::to_owned), database)
        };
        let databases = followed.iter().map(one).collect();
        let events = standing::databases(&self.databases, &databases);
        self.databases = databases;
        self.note_all(events, now);
        let problems = followed.iter().flat_map(|(_, is)| is.problems.iter().cloned()).collect();
        self.problems(Source::Database, &problems, now);
    }

    fn problems(&mut self, source: Source, problems: &BTreeSet<String>, now: Moment) {
        let known = self.problems.entry(source).or_default();
        if known != problems {
            let events = standing::problems(source, known, problems);
            known.clone_from(problems);
            self.note_all(events, now);
        }
    }

    fn note_all(&mut self, events: Vec<Event>, now: Moment) {
        events.into_iter().for_each(|event| self.journal.note(event, now));
    }

    /// Answers a reader: at once if there are events, else when there are.
    pub(super) fn read(&mut self, cursor: Cursor, request: Request, now: Time) {
        self.readers.add(&self.journal, cursor, request, now);
    }

    /// Returns the time at which [`EventLog::answer`] is due.
    pub(super) fn due(&self) -> Option<Time> {
        self.readers.due()
    }

    /// Answers waiting readers if their event happened a moment ago, or if they have waited for too long.
    pub(super) fn answer(&mut self, now: Moment) {
        self.journal.settle(now);
        self.readers.answer(&self.journal, now.steady);
    }

    fn bindings_of(&self, forwarding: &impl DataPlane) -> Bindings {
        let name = |key: &BindingKey| name(&self.interfaces, key.ifindex);
        let bindings = forwarding.programmed().bindings.iter();
        bindings.map(|(key, binding)| ((name(key), key.vlan), binding.vni)).collect()
    }
}

fn interfaces(underlay: &Snapshot) -> BTreeMap<u32, String> {
    underlay.links.iter().map(|(name, link)| (link.ifindex, name.clone())).collect()
}

fn tunnels(forwarding: &impl DataPlane) -> BTreeMap<u32, IpAddr> {
    forwarding.programmed().remote_vteps.iter().map(|(ends, id)| (*id, ends.remote.into())).collect()
}

fn switches(forwarding: &impl DataPlane, rows: &Rows) -> Switches {
    let mut switches: Switches = forwarding.programmed().switches.keys().map(|vni| (*vni, None)).collect();
    for (name, switch) in &rows.switches {
        // Of two logical switches with one VNI, the first one forwards.
        if let Some(unnamed @ None) = switch.vni.and_then(|vni| switches.get_mut(&vni.get())) {
            *unnamed = Some(name.clone());
        }
    }
    switches
}

fn name(interfaces: &BTreeMap<u32, String>, ifindex: u32) -> String {
    interfaces.get(&ifindex).cloned().unwrap_or_else(|| format!("if{ifindex}"))
}

fn place(interfaces: &BTreeMap<u32, String>, tunnels: &BTreeMap<u32, IpAddr>, at: At) -> Place {
    match at {
        At::Port(key) => Place::Port { port: name(interfaces, key.ifindex), vlan: key.vlan },
        At::Tunnel(id, vni) => Place::Tunnel { remote: tunnels.get(&id).copied(), remote_vni: vni },
    }
}
