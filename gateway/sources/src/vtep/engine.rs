//! State machine of the database connection. Input is the events of the client and the time; output is the rows to
//! forward by and transactions.

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

/// Limit of operations in a transaction, without guards.
const BATCH: usize = 1000;
/// Minimum interval of repairs of this gateway's own rows, and of publishing stations.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Time for which this gateway's own rows have to stay correct before another writer that kept undoing them counts as
/// gone.
const SETTLED: Duration = Duration::from_secs(60);
/// Interval of writing counters. In a cluster each write goes through the log of all its members.
const TRAFFIC_EVERY: Duration = Duration::from_secs(10);
/// Minimum interval of writing faults, so that two writers that disagree do not overload the server.
const FAULTS_EVERY: Duration = Duration::from_secs(1);
/// Limit of unreadable rows of one change that the log names.
const NAMED: usize = 10;

/// Settings of the database connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Identity of this gateway in the database.
    pub identity: Identity,
    /// Limit of learned MACs of a logical switch.
    pub learn_limit: u64,
    /// Times for which forwarding stays unchanged.
    pub hold: HoldTimes,
}

/// Message for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message that needs the attention of an operator.
    Warning(String),
    /// Normal operation, or its recovery.
    Info(String),
    /// Details for debugging.
    Debug(String),
}

/// Status of the database connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Connected server.
    pub remote: Option<String>,
    /// Version of its schema.
    pub schema_version: Option<String>,
    /// State of forwarding relative to the database.
    pub hold: HoldState,
    /// Number of rows that are skipped because they do not hold what they should.
    pub unreadable: usize,
    /// Other contents of the database that are not turned into forwarding.
    pub problems: BTreeSet<String>,
    /// Faults that prevent this gateway from writing.
    pub faults: BTreeSet<String>,
    /// State of the lock, which decides which gateway of this name writes.
    pub lock: LockState,
    /// Reason for a missing connection: the server, the error, and its cause.
    pub unreachable: Option<(String, String, Cause)>,
}

/// Kind of transaction, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Register,
    Publish,
    Faults,
    Traffic,
}

const KINDS: [Kind; 4] = [Kind::Register, Kind::Publish, Kind::Faults, Kind::Traffic];

/// State machine of one gateway's database.
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
    /// True if the complete contents were received on this connection.
    complete: bool,
    /// Tables and columns that the schema lacks.
    missing: BTreeSet<String>,
    writing: bool,
    locking: Locking,
    /// Parts of this gateway's own rows that another writer keeps changing.
    contests: Contests<Own>,
    asked: Option<Kind>,
    /// Parts of this gateway's own rows that the last transaction repairs.
    registering: Vec<Own>,
    /// Wrong values of columns of this gateway's row, as last seen.
    rival: BTreeMap<Own, String>,
    /// Paces by [`Kind`].
    paces: [Pace; 4],
    outage: Outage,
    diary: Diary,
    problems: BTreeSet<String>,
    /// Current faults that prevent this gateway from writing.
    trouble: BTreeSet<String>,
    refusals: BTreeMap<Kind, String>,
    said: Vec<Said>,
}

impl Engine {
    /// Creates an engine that knows nothing yet at `now`. Times are relative to some fixed moment.
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

    /// Returns the rows to forward by.
    pub fn rows(&self) -> &Arc<Rows> {
        self.hold.rows()
    }

    /// Returns the status at `now`.
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

    /// Returns the name of the lock that is held while this gateway writes.
    pub fn lock(&self) -> String {
        locking::name(&self.settings.identity.name)
    }

    /// Returns the next request about the lock, if there is one.
    pub(crate) fn lock_request(&mut self) -> Option<LockRequest> {
        if self.complete { self.locking.request(self.writing) } else { None }
    }

    /// Returns the log messages since the last call.
    pub fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Applies new settings.
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

    /// Sets the stations that were learned on access ports, replacing all others.
    pub(crate) fn set_local(&mut self, all: impl IntoIterator<Item = LocalMac>) {
        self.publisher.replace(&self.mirror, all);
    }

    /// Records that a station was learned on an access port, or that its address became known.
    pub fn learn(&mut self, station: LocalMac) {
        self.publisher.learn(station);
    }

    /// Records that a station is no longer on an access port.
    pub fn forget(&mut self, vni: Vni, mac: MacAddr) {
        self.publisher.forget(vni, mac);
    }

    /// Sets whether this node writes. If not, all writes are left to another node, which acts as this gateway now.
    pub(crate) fn set_writing(&mut self, writing: bool) {
        if writing && !self.writing {
            // The other node may have written in the meantime. It may have gone without releasing the lock.
            self.publisher.touch_everything(&self.mirror);
            self.publisher.insist();
            self.contests.clear();
            self.locking.take_over();
        }
        self.writing = writing;
    }

    /// Writes again all that was left to another writer.
    fn insist(&mut self, now: Duration) {
        self.publisher.insist();
        self.contests.clear();
        self.judge(now);
    }

    /// Sets the counters of the bindings.
    pub(crate) fn set_traffic(&mut self, traffic: TrafficByBinding) {
        self.traffic = Some(traffic);
    }

    /// Sets the current faults, besides those in the database's own contents.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Sets the remote VTEPs that cannot be reached, see [`Mapping::set_unreachable`].
    pub(crate) fn set_unreachable(&mut self, unreachable: BTreeSet<IpAddr>, now: Duration) {
        self.mapping.set_unreachable(&self.mirror, unreachable);
        if self.complete {
            self.follow(now);
        }
    }

    /// Processes an event of the client.
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
            // The requests on the last connection may have taken effect or not.
            self.publisher.touch_everything(&self.mirror);
        }
        self.follow(now);
    }

    /// Updates the rows in force.
    fn follow(&mut self, now: Duration) {
        let standing = Standing::of(&self.mirror, &self.settings.identity);
        if let Some(notice) = self.hold.picture(self.mapping.rows(), standing, now) {
            // The set of remote MACs depends on the held rows.
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

    /// Returns a message if no VLAN at all is bound, which may be intended or not.
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

    /// Returns addresses that this gateway had in its last run, and that no other gateway has. Rows published with them
    /// are its own.
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

    /// Processes the state of the lock that the server reports.
    fn locked(&mut self, lock: Lock, now: Duration) {
        if !self.locking.told(lock, now) {
            return;
        }
        let (name, lock) = (self.lock(), self.locking.state());
        match lock {
            LockState::Held => {
                self.said.push(Said::Info(format!("this gateway writes to the database, it holds the lock {name}")));
                // The last holder may have written in the meantime.
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

    /// Logs changes of the faults that prevent this gateway from writing.
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

    /// Processes timeouts at `now`.
    pub fn tick(&mut self, now: Duration) {
        if let Some(notice) = self.hold.tick(now) {
            self.publisher.touch_everything(&self.mirror);
            self.said.push(Said::Warning(notice.to_string()));
            self.said.extend(self.diary.look(self.hold.rows()).into_iter().map(Said::Info));
        }
        self.judge(now);
    }

    /// Returns the time at which there is something to do even without events.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let idle = self.may_write();
        let paced = self.paces.iter().filter(|pace| idle && !pace.is_due(now)).map(|pace| pace.due());
        let put_off = self.publisher.deadline().into_iter().chain(self.contests.deadline());
        // Work that is already due waits for its pace.
        let put_off = put_off.filter(|due| idle && *due > now);
        let lock = self.locking.deadline().filter(|due| *due > now);
        paced.chain(put_off).chain(lock).chain(self.hold.deadline()).min()
    }

    fn may_write(&self) -> bool {
        self.complete && self.writing && self.asked.is_none() && self.locking.lets_write()
    }

    /// Returns the next transaction, if there is one to send. Its [outcome](Self::outcome) has to be reported before
    /// the next one.
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

    /// Returns the value of a column of this gateway's row.
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

    /// Processes the outcome of the last transaction. Its changes were reported as an [event](Self::event) before.
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
                // Exponential backoff while another writer undoes the write.
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
            // Another writer was faster, which the next comparison takes into account; or the connection is lost, which
            // is reported as an event.
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
