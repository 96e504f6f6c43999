//! All of it together: what the client tells and the time go in, rows to forward by and transactions come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use gateway_common::net::{MacAddr, Vni};

use super::{
    Fault, Faults, Hold, HoldState, Identity, LocalMac, Mapping, Mirror, Problem, Publisher, Standing, Touched,
    TrafficByBinding, Unreadable, View, pace::Pace, register, report_faults, report_traffic, rows::Row,
};
use crate::{
    database::Rows,
    ovsdb::{Event, Operation, TransactError},
};

/// Operations of a transaction at most, guards not counted.
const BATCH: usize = 1000;
/// How often counters are written. In a cluster each write goes through the log of all its members.
const TRAFFIC_EVERY: Duration = Duration::from_secs(10);
/// How often faults are written, so that two writers who do not agree do not keep the server busy.
const FAULTS_EVERY: Duration = Duration::from_secs(1);
/// How often it is said that the database still cannot be reached.
const DOWN_EVERY: Duration = Duration::from_secs(60);
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
    pub hold_time: Duration,
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
    asked: Option<Kind>,
    /// By [`Kind`].
    paces: [Pace; 4],
    /// When it was said last that the database cannot be reached.
    said_down: Option<Duration>,
    problems: BTreeSet<String>,
    refusals: BTreeMap<Kind, String>,
    said: Vec<Said>,
}

impl Engine {
    /// Nothing is known yet at `now`. Times are those since some fixed moment.
    pub fn new(settings: Settings, now: Duration) -> Self {
        Self {
            mirror: Mirror::default(),
            mapping: Mapping::new(settings.identity.clone(), settings.learn_limit),
            hold: Hold::new(settings.hold_time, now),
            publisher: Publisher::new(settings.identity.clone()),
            settings,
            traffic: None,
            faults: Faults::default(),
            up: None,
            complete: false,
            missing: BTreeSet::new(),
            writing: true,
            asked: None,
            paces: [Pace::default(); 4],
            said_down: None,
            problems: BTreeSet::new(),
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
        }
    }

    /// What is for the log since the last call.
    pub fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Takes over other settings.
    pub fn reconfigure(&mut self, settings: Settings, now: Duration) {
        self.settings = settings;
        let Settings { identity, learn_limit, hold_time } = &self.settings;
        self.hold.set_hold_time(*hold_time);
        self.mapping.reconfigure(&self.mirror, identity.clone(), *learn_limit);
        self.publisher.reconfigure(&self.mirror, identity.clone());
        if self.complete {
            self.follow(now);
        }
    }

    /// These stations were learned on access ports, and no others.
    pub fn set_local(&mut self, all: impl IntoIterator<Item = LocalMac>) {
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
    pub fn set_writing(&mut self, writing: bool) {
        if writing && !self.writing {
            // The other one has written meanwhile, or has not.
            self.publisher.touch_everything(&self.mirror);
        }
        self.writing = writing;
    }

    /// Counters of the bindings.
    pub fn set_traffic(&mut self, traffic: TrafficByBinding) {
        self.traffic = Some(traffic);
    }

    /// The faults that stand, besides those that the database itself has.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Remote VTEPs that cannot be reached, see [`Mapping::set_unreachable`].
    pub fn set_unreachable(&mut self, unreachable: BTreeSet<IpAddr>, now: Duration) {
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
                self.paces = [Pace::default(); 4];
                self.said_down = None;
            }
            Event::Changes(changes) => {
                let touched = self.mirror.apply(changes);
                self.say_unreadable(&touched.unreadable);
                self.changed(touched, now);
            }
            Event::BadRow { table, uuid, error } => {
                self.said.push(Said::Warning(format!("row {uuid} of {table} in the database is skipped: {error}")));
            }
            Event::Down { remote, reason } => {
                let was_up = self.up.take().is_some();
                self.complete = false;
                if was_up || self.said_down.is_none_or(|before| now >= before + DOWN_EVERY) {
                    self.said_down = Some(now);
                    let text = format!("no connection to the database at {remote}: {reason}; trying on");
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
        let problems: BTreeSet<String> = self.mapping.problems().map(ToString::to_string).collect();
        self.said.extend(problems.difference(&self.problems).cloned().map(Said::Warning));
        let over = self.problems.difference(&problems).map(|problem| Said::Info(format!("no longer: {problem}")));
        self.said.extend(over);
        self.problems = problems;
    }

    /// Time goes on.
    pub fn tick(&mut self, now: Duration) {
        if let Some(notice) = self.hold.tick(now) {
            self.publisher.touch_everything(&self.mirror);
            self.said.push(Said::Warning(notice.to_string()));
        }
    }

    /// When there is something to do at the latest, even if nothing happens.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let idle = self.complete && self.writing && self.asked.is_none();
        let paced = self.paces.iter().filter(|pace| idle && !pace.is_due(now)).map(|pace| pace.due());
        paced.chain(self.hold.deadline()).min()
    }

    /// The next transaction, if there is one to send. What comes of it is to be [told](Self::outcome) before the next one.
    pub fn transaction(&mut self, now: Duration) -> Option<Vec<Operation>> {
        if !self.complete || !self.writing || self.asked.is_some() {
            return None;
        }
        for kind in KINDS {
            if !self.paces[kind as usize].is_due(now) {
                continue;
            }
            let operations = self.operations(kind);
            if !operations.is_empty() {
                self.asked = Some(kind);
                return Some(operations);
            }
        }
        None
    }

    fn operations(&mut self, kind: Kind) -> Vec<Operation> {
        let identity = &self.settings.identity;
        let lacks = |what: &str| self.missing.iter().any(|missing| missing.contains(what));
        match kind {
            Kind::Register => register(identity, &self.mirror),
            Kind::Publish => {
                let (mirror, mapping, rows) = (&self.mirror, &self.mapping, self.hold.rows());
                self.publisher.next(View { mirror, mapping, rows }, BATCH)
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
            self.publisher.done(outcome.is_ok());
        }
        let pace = &mut self.paces[kind as usize];
        let Err(error) = outcome else {
            pace.done(now, kind.interval());
            self.refusals.remove(&kind);
            return;
        };
        pace.failed(now);
        let text = error.to_string();
        match error {
            // Another writer was quicker, which the next look takes into account; or the connection is lost, which is told.
            TransactError::TimedOut { .. } | TransactError::Constraint { .. } | TransactError::Down { .. } => {
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
            Self::Register | Self::Publish => Duration::ZERO,
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
