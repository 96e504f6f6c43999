//! All of it together: what the client tells and the time go in, rows to forward by and transactions come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use gateway_common::net::{MacAddr, Vni};
use gateway_config::rows::Rows;
use gateway_ovsdb::{Cause, Event, Lock, LockRequest, Operation, TransactError};

use super::{
    Fault, Faults, Hold, HoldState, HoldTimes, Identity, LocalMac, LockState, Mapping, Mirror, Own, Problem, Publisher,
    Registration, Standing, Touched, TrafficByBinding, Unreadable, View,
    contest::{Act, Contests},
    diary::Diary,
    locking::{self, Locking},
    outage::Outage,
    pace::Pace,
    register, report_faults, report_traffic,
    rows::Row,
};

/// Operations of a transaction at most, guards not counted.
const BATCH: usize = 1000;
/// How often this gateway's own rows are put right, and how often stations are published, at most.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// How long this gateway's own rows have to be as they should before somebody who kept undoing them counts as gone.
const SETTLED: Duration = Duration::from_secs(60);
/// How often counters are written. In a cluster each write goes through the log of all its members.
const TRAFFIC_EVERY: Duration = Duration::from_secs(10);
/// How often faults are written, so that two writers who do not agree do not keep the server busy.
const FAULTS_EVERY: Duration = Duration::from_secs(1);
/// Rows that cannot be read, of one change, that are named in the log.
const NAMED: usize = 10;

/// What of the configuration concerns the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What this gateway is there.
    pub identity: Identity,
    /// Learned MACs of a logical switch at most.
    pub learn_limit: u64,
    /// How long forwarding goes on as it was.
    pub hold: HoldTimes,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An operator should look at it.
    Warning(String),
    /// All is well, or well again.
    Info(String),
    /// For who looks closely.
    Debug(String),
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The server that is connected to.
    pub remote: Option<String>,
    /// Version of its schema.
    pub schema_version: Option<String>,
    /// How far forwarding follows the database.
    pub hold: HoldState,
    /// Rows that are skipped because they do not hold what they should.
    pub unreadable: usize,
    /// What else of the database is not turned into forwarding.
    pub problems: BTreeSet<String>,
    /// What keeps this gateway from writing what it should.
    pub faults: BTreeSet<String>,
    /// Which gateway of this name writes.
    pub lock: LockState,
    /// Why there is no connection: which server, what is wrong with it, and what kind of failure that is.
    pub unreachable: Option<(String, String, Cause)>,
}

/// A kind of transaction. In this order they take precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Register,
    Publish,
    Faults,
    Traffic,
}

const KINDS: [Kind; 4] = [Kind::Register, Kind::Publish, Kind::Faults, Kind::Traffic];

/// One gateway's dealings with its database.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    mirror: Mirror,
    mapping: Mapping,
    hold: Hold,
    publisher: Publisher,
    traffic: Option<TrafficByBinding>,
    faults: Faults,
    /// The server and the version of its schema, while connected.
    up: Option<(String, String)>,
    /// All that the server has was told since it is connected.
    complete: bool,
    /// What its schema lacks.
    missing: BTreeSet<String>,
    writing: bool,
    locking: Locking,
    /// What of this gateway's own rows somebody else keeps changing.
    contests: Contests<Own>,
    asked: Option<Kind>,
    /// What the last transaction puts right of this gateway's own rows.
    registering: Vec<Own>,
    /// What columns of this gateway's row held in place of what they should, when that was seen last.
    rival: BTreeMap<Own, String>,
    /// By [`Kind`].
    paces: [Pace; 4],
    outage: Outage,
    diary: Diary,
    problems: BTreeSet<String>,
    /// What keeps this gateway from writing.
    trouble: BTreeSet<String>,
    refusals: BTreeMap<Kind, String>,
    said: Vec<Said>,
}

impl Engine {
    /// Nothing is known yet at `now`. Times are those since some fixed moment.
    pub fn new(settings: Settings, now: Duration) -> Self {
        Self {
            mirror: Mirror::default(),
            mapping: Mapping::new(settings.identity.clone(), settings.learn_limit),
            hold: Hold::new(settings.hold, now),
            publisher: Publisher::new(settings.identity.clone()),
            settings,
            traffic: None,
            faults: Faults::default(),
            up: None,
            complete: false,
            missing: BTreeSet::new(),
            writing: true,
            locking: Locking::default(),
            contests: Contests::new(SETTLED),
            asked: None,
            registering: Vec::new(),
            rival: BTreeMap::new(),
            paces: [Pace::default(); 4],
            outage: Outage::default(),
            diary: Diary::default(),
            problems: BTreeSet::new(),
            trouble: BTreeSet::new(),
            refusals: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// The rows to forward by.
    pub fn rows(&self) -> &Arc<Rows> {
        self.hold.rows()
    }

    /// How things stand at `now`.
    pub fn status(&self, now: Duration) -> Status {
        let (remote, schema_version) = self.up.clone().unzip();
        Status {
            remote,
            schema_version,
            hold: self.hold.state(now),
            unreadable: self.mirror.unreadable(),
            problems: self.problems.clone(),
            faults: self.trouble.clone(),
            lock: self.locking.state(),
            unreachable: self.outage.last().filter(|_| self.up.is_none()).cloned(),
        }
    }

    /// Name of the lock that is held while this gateway writes.
    pub fn lock(&self) -> String {
        locking::name(&self.settings.identity.name)
    }

    /// What is to be done about the lock, if anything.
    pub(crate) fn lock_request(&mut self) -> Option<LockRequest> {
        if self.complete { self.locking.request(self.writing) } else { None }
    }

    /// What is for the log since the last call.
    pub fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Takes over other settings.
    pub fn reconfigure(&mut self, settings: Settings, now: Duration) {
        self.settings = settings;
        let Settings { identity, learn_limit, hold } = &self.settings;
        self.hold.set_times(*hold);
        self.mapping.reconfigure(&self.mirror, identity.clone(), *learn_limit);
        self.publisher.reconfigure(&self.mirror, identity.clone());
        self.insist(now);
        if self.complete {
            self.follow(now);
        }
    }

    /// These stations were learned on access ports, and no others.
    pub(crate) fn set_local(&mut self, all: impl IntoIterator<Item = LocalMac>) {
        self.publisher.replace(&self.mirror, all);
    }

    /// A station was learned on an access port, or is known better.
    pub fn learn(&mut self, station: LocalMac) {
        self.publisher.learn(station);
    }

    /// A station is no longer on an access port.
    pub fn forget(&mut self, vni: Vni, mac: MacAddr) {
        self.publisher.forget(vni, mac);
    }

    /// Whether anything is written, or all of it is left to another node that is this gateway now.
    pub(crate) fn set_writing(&mut self, writing: bool) {
        if writing && !self.writing {
            // The other one has written meanwhile, or has not. It may have gone without giving the lock back.
            self.publisher.touch_everything(&self.mirror);
            self.publisher.insist();
            self.contests.clear();
            self.locking.take_over();
        }
        self.writing = writing;
    }

    /// Nothing is left to another writer any more.
    fn insist(&mut self, now: Duration) {
        self.publisher.insist();
        self.contests.clear();
        self.judge(now);
    }

    /// Counters of the bindings.
    pub(crate) fn set_traffic(&mut self, traffic: TrafficByBinding) {
        self.traffic = Some(traffic);
    }

    /// The faults that stand, besides those that the database itself has.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Remote VTEPs that cannot be reached, see [`Mapping::set_unreachable`].
    pub(crate) fn set_unreachable(&mut self, unreachable: BTreeSet<IpAddr>, now: Duration) {
        self.mapping.set_unreachable(&self.mirror, unreachable);
        if self.complete {
            self.follow(now);
        }
    }

    /// The client tells something.
    pub fn event(&mut self, event: Event<Row>, now: Duration) {
        match event {
            Event::Up { remote, schema_version, missing } => {
                self.say_up(&remote, &schema_version, &missing);
                self.missing = missing.into_iter().collect();
                self.up = Some((remote, schema_version));
                self.outage.over();
                self.locking.reset();
            }
            Event::Changes(changes) => {
                let touched = self.mirror.apply(changes);
                self.say_unreadable(&touched.unreadable);
                self.changed(touched, now);
            }
            Event::BadRow { table, uuid, error } => {
                self.said.push(Said::Warning(format!("row {uuid} of {table} in the database is skipped: {error}")));
            }
            Event::Lock(lock) => self.locked(lock, now),
            Event::Down { remote, reason, cause } => {
                self.up = None;
                self.complete = false;
                self.locking.reset();
                self.judge(now);
                if self.outage.down(&remote, &reason, cause, now) {
                    let text = format!("no connection to the database at {remote}: {reason}; retrying");
                    self.said.push(Said::Warning(text));
                }
                let notice = self.hold.gone(now);
                self.said.extend(notice.map(|notice| Said::Warning(notice.to_string())));
            }
        }
    }

    fn changed(&mut self, touched: Touched, now: Duration) {
        self.mapping.update(&self.mirror, &touched);
        self.publisher.touch(&self.mirror, &touched);
        if !self.complete {
            self.complete = true;
            self.publisher.was_at(self.former_addresses());
            // What was asked for on the last connection may have come about or not.
            self.publisher.touch_everything(&self.mirror);
        }
        self.follow(now);
    }

    /// Brings what is in force up to date.
    fn follow(&mut self, now: Duration) {
        let standing = Standing::of(&self.mirror, &self.settings.identity);
        if let Some(notice) = self.hold.picture(self.mapping.rows(), standing, now) {
            // Which MACs are remote depends on what is held.
            self.publisher.touch_everything(&self.mirror);
            let text = notice.to_string();
            self.said.push(if notice == super::Notice::Restored { Said::Info(text) } else { Said::Warning(text) });
        }
        self.said.extend(self.diary.look(self.hold.rows()).into_iter().map(Said::Info));
        let mut problems: BTreeSet<String> = self.mapping.problems().map(ToString::to_string).collect();
        problems.extend(self.unbound());
        self.said.extend(problems.difference(&self.problems).cloned().map(Said::Warning));
        let over = self.problems.difference(&problems).map(|problem| Said::Info(format!("no longer: {problem}")));
        self.said.extend(over);
        self.problems = problems;
    }

    /// That no VLAN at all is bound, which may be meant, or not.
    fn unbound(&self) -> Option<String> {
        let name = &self.settings.identity.name;
        let bound = self.hold.rows().switches.values().any(|switch| !switch.bindings.is_empty());
        let there = self.mirror.physical_switch(name).is_some();
        (there && !bound).then(|| {
            format!(
                "the database binds no VLAN of {name:?} to a logical switch: nothing is forwarded \
                 (vtep-ctl bind-ls {name} PORT VLAN SWITCH)"
            )
        })
    }

    /// Addresses that this gateway had when it was here last, and that no other one has: what is published with them is its
    /// own.
    fn former_addresses(&self) -> BTreeSet<IpAddr> {
        let identity = &self.settings.identity;
        let others = self.mirror.physical_switches.values().filter(|row| row.name != identity.name);
        let taken: BTreeSet<&String> = others.flat_map(|row| &row.tunnel_ips).collect();
        let own = self.mirror.physical_switch(&identity.name).into_iter().flat_map(|(_, row)| &row.tunnel_ips);
        own.filter(|ip| !taken.contains(ip))
            .filter_map(|ip| ip.parse().ok())
            .filter(|ip| !identity.is_own(*ip))
            .collect()
    }

    /// The server says how it stands with the lock.
    fn locked(&mut self, lock: Lock, now: Duration) {
        if !self.locking.told(lock, now) {
            return;
        }
        let (name, lock) = (self.lock(), self.locking.state());
        match lock {
            LockState::Held => {
                self.said.push(Said::Info(format!("this gateway writes to the database, it holds the lock {name}")));
                // Whoever had it has written meanwhile, or has not.
                self.publisher.touch_everything(&self.mirror);
            }
            LockState::Waiting { .. } => {
                let text = format!(
                    "another client of the database holds the lock {name}: nothing is written before it is free"
                );
                self.said.push(Said::Info(text));
            }
            LockState::Unsupported => {
                let text = "the server has no locks: who else writes as this gateway is found out only afterwards";
                self.said.push(Said::Debug(text.to_owned()));
            }
            LockState::None | LockState::Asked | LockState::Stolen { .. } => {}
        }
        self.judge(now);
    }

    /// Says what keeps this gateway from writing as it should, where that has changed.
    fn judge(&mut self, now: Duration) {
        let trouble = self.trouble_at(now);
        self.said.extend(trouble.difference(&self.trouble).cloned().map(Said::Warning));
        let over = self.trouble.difference(&trouble).map(|one| Said::Info(format!("no longer: {one}")));
        self.said.extend(over);
        self.trouble = trouble;
    }

    fn trouble_at(&self, now: Duration) -> BTreeSet<String> {
        let name = &self.settings.identity.name;
        let mut faults = BTreeSet::new();
        if self.locking.is_kept_out(now) {
            let lock = self.lock();
            faults.insert(match self.locking.state() {
                LockState::Stolen { .. } => format!(
                    "another gateway has begun to write to the database as {name:?} (it took the lock {lock}), so this one \
                     does not: do the nodes hear each other's VRRP? Otherwise give each gateway a database.switch of its own"
                ),
                _ => format!(
                    "another gateway writes to the database as {name:?} (it holds the lock {lock}), so this one does not: \
                     give each gateway a database.switch of its own, or both the same [[vrrp]] if one stands in for the other"
                ),
            });
        }
        for own in self.contests.lost() {
            let what = match own {
                Own::Row => "deletes the row".to_owned(),
                Own::Ports => "takes ports out of the row".to_owned(),
                Own::Column(column) => {
                    let rival = self.rival.get(own).map_or("", String::as_str);
                    format!("sets {column} to {rival:?} in the row")
                }
            };
            faults.insert(format!(
                "another program {what} of {name:?} in Physical_Switch again and again; this gateway has stopped putting it \
                 right. Is there another gateway of that name? Give each a database.switch of its own, then reload"
            ));
        }
        if self.publisher.lost() > 0 {
            faults.insert(format!(
                "another program undoes what this gateway publishes as {name:?} in Ucast_Macs_Local or Mcast_Macs_Local \
                 again and again; it is tried every five minutes. Is there another gateway with this one's tunnel address?"
            ));
        }
        faults
    }

    /// Time goes on.
    pub fn tick(&mut self, now: Duration) {
        if let Some(notice) = self.hold.tick(now) {
            self.publisher.touch_everything(&self.mirror);
            self.said.push(Said::Warning(notice.to_string()));
            self.said.extend(self.diary.look(self.hold.rows()).into_iter().map(Said::Info));
        }
        self.judge(now);
    }

    /// When there is something to do at the latest, even if nothing happens.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let idle = self.may_write();
        let paced = self.paces.iter().filter(|pace| idle && !pace.is_due(now)).map(|pace| pace.due());
        let put_off = self.publisher.deadline().into_iter().chain(self.contests.deadline());
        // What is due already waits for its pace.
        let put_off = put_off.filter(|due| idle && *due > now);
        let lock = self.locking.deadline().filter(|due| *due > now);
        paced.chain(put_off).chain(lock).chain(self.hold.deadline()).min()
    }

    fn may_write(&self) -> bool {
        self.complete && self.writing && self.asked.is_none() && self.locking.lets_write()
    }

    /// The next transaction, if there is one to send. What comes of it is to be [told](Self::outcome) before the next one.
    pub fn transaction(&mut self, now: Duration) -> Option<Vec<Operation>> {
        if !self.may_write() {
            return None;
        }
        for kind in KINDS {
            if !self.paces[kind as usize].is_due(now) {
                continue;
            }
            let mut operations = self.operations(kind, now);
            if !operations.is_empty() {
                self.asked = Some(kind);
                if self.locking.state() == LockState::Held {
                    operations.insert(0, Operation::Assert(self.lock()));
                }
                return Some(operations);
            }
        }
        None
    }

    fn operations(&mut self, kind: Kind, now: Duration) -> Vec<Operation> {
        let identity = &self.settings.identity;
        let lacks = |what: &str| self.missing.iter().any(|missing| missing.contains(what));
        match kind {
            Kind::Register => self.register(now),
            Kind::Publish => {
                let (mirror, mapping, rows) = (&self.mirror, &self.mapping, self.hold.rows());
                self.publisher.next(View { mirror, mapping, rows }, BATCH, now)
            }
            Kind::Faults if lacks("fault_status") => Vec::new(),
            Kind::Faults => report_faults(identity, &self.mirror, &self.all_faults()),
            Kind::Traffic if lacks("vlan_stats") || lacks("Logical_Binding_Stats") => Vec::new(),
            Kind::Traffic => match &self.traffic {
                Some(traffic) => report_traffic(identity, &self.mirror, traffic, BATCH),
                None => Vec::new(),
            },
        }
    }

    fn register(&mut self, now: Duration) -> Vec<Operation> {
        let contests = &self.contests;
        let registration = register(&self.settings.identity, &self.mirror, |own| contests.is_lost(&own));
        let Registration { operations, done, left } = registration;
        left.iter().for_each(|own| self.contests.still(own, now));
        self.contests.prune(now);
        for own in left.iter().chain(&done) {
            if let Some(found) = self.found(*own) {
                self.rival.insert(*own, found);
            }
        }
        self.registering = done;
        operations
    }

    /// What a column of this gateway's row holds.
    fn found(&self, own: Own) -> Option<String> {
        let Own::Column(column) = own else { return None };
        let (_, row) = self.mirror.physical_switch(&self.settings.identity.name)?;
        let list = |ips: &BTreeSet<String>| ips.iter().cloned().collect::<Vec<_>>().join(" ");
        Some(match column {
            "tunnel_ips" => list(&row.tunnel_ips),
            "management_ips" => list(&row.management_ips),
            _ => row.description.clone(),
        })
    }

    fn all_faults(&self) -> Faults {
        let mut faults = self.mapping.faults().union(self.faults.clone());
        let contested = self.mapping.problems().any(|problem| matches!(problem, Problem::VniTwice { .. }));
        if contested || self.mirror.unreadable() > 0 {
            faults.switch.insert(Fault::Unspecified);
        }
        faults
    }

    /// What came of the last transaction. What it changed was [told](Self::event) before.
    pub fn outcome(&mut self, outcome: Result<(), TransactError>, now: Duration) {
        let Some(kind) = self.asked.take() else { return };
        if kind == Kind::Publish {
            self.publisher.done(outcome.is_ok(), now);
        }
        let Err(error) = outcome else {
            let mut interval = kind.interval();
            if kind == Kind::Register {
                let done = std::mem::take(&mut self.registering);
                done.into_iter().for_each(|own| self.contests.done(own, Act::Put, now));
                // Longer and longer while somebody else undoes it.
                interval *= 1 << self.contests.undone().min(5);
            }
            self.paces[kind as usize].done(now, interval);
            self.refusals.remove(&kind);
            self.judge(now);
            return;
        };
        self.paces[kind as usize].failed(now);
        let text = error.to_string();
        match error {
            // Another writer was quicker, which the next look takes into account; or the connection is lost, which is told.
            TransactError::TimedOut { .. }
            | TransactError::Constraint { .. }
            | TransactError::Down { .. }
            | TransactError::NotOwner => {
                self.said.push(Said::Debug(format!("{}: {text}", kind.what())));
            }
            TransactError::Refused { .. } | TransactError::Unreadable(_) => {
                if self.refusals.insert(kind, text.clone()).as_ref() != Some(&text) {
                    self.said.push(Said::Warning(format!("{}: {text}", kind.what())));
                }
            }
        }
    }

    fn say_up(&mut self, remote: &str, schema_version: &str, missing: &[String]) {
        self.said.push(Said::Info(format!("connected to the database at {remote}, schema version {schema_version}")));
        if !missing.is_empty() {
            let text = format!(
                "the database at {remote}, schema version {schema_version}, lacks {}: what they are for does not work",
                missing.join(", ")
            );
            self.said.push(Said::Warning(text));
        }
    }

    fn say_unreadable(&mut self, rows: &[Unreadable]) {
        for Unreadable { table, uuid, error } in rows.iter().take(NAMED) {
            self.said.push(Said::Warning(format!("row {uuid} of {table} in the database is skipped: {error}")));
        }
        if rows.len() > NAMED {
            let more = rows.len() - NAMED;
            self.said.push(Said::Warning(format!("{more} more rows in the database that cannot be read are skipped")));
        }
    }
}

impl Kind {
    fn interval(self) -> Duration {
        match self {
            Self::Register | Self::Publish => WRITE_EVERY,
            Self::Faults => FAULTS_EVERY,
            Self::Traffic => TRAFFIC_EVERY,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Register => "registering this gateway in the database",
            Self::Publish => "publishing learned MACs in the database",
            Self::Faults => "reporting faults to the database",
            Self::Traffic => "reporting counters to the database",
        }
    }
}
