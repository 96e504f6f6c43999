//! Live `hardware_vtep` database: the [`Engine`] and its connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gateway_api::view::{self, DatabaseLock, DatabaseState};
use gateway_common::net::{MacAddr, Vni};
use gateway_config::{CREDENTIALS, Config, DatabaseConfig, NoCredentials, rows::Rows};
use gateway_ovsdb as ovsdb;
use gateway_ovsdb::{Client, Contact, Events, Options, OptionsError, TransactError};
use nix::errno::Errno;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::Database;
use crate::vtep::{
    self, Engine, Fault, Faults, HoldTimes, Identity, LocalMac, LogLine, Settings, Status, TrafficByBinding,
    VtepDecoder, rows::Row,
};

/// Interval of status updates while a remaining time in the status counts down.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Error of opening a database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration has no database.
    #[error("the configuration has no [database]")]
    NotConfigured,
    /// The gateway has no name.
    #[error("reading the host name: {0}; name the gateway with database.switch")]
    HostName(#[from] Errno),
    /// The gateway would get a default host name, which many machines share.
    #[error(
        "this machine is called {0:?}, as many are: two gateways of one name in a database write over each other; name this \
         one with database.switch"
    )]
    Anybody(String),
    /// The configured options are invalid.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The configuration refers to a credential, and there are none.
    #[error(transparent)]
    Credentials(#[from] NoCredentials),
}

/// `hardware_vtep` database that the gateway follows, registers in and publishes to. A separate future does the work;
/// [`HardwareVtep::open`] returns it.
#[derive(Debug)]
pub struct HardwareVtep {
    instance: usize,
    contact: Contact,
    rows: watch::Receiver<Arc<Rows>>,
    status: watch::Receiver<Arc<Status>>,
    reached: watch::Receiver<bool>,
    inbox: Arc<Inbox>,
    host: String,
}

/// Change of the stations behind access ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// The complete set of stations. Nothing is published or withdrawn before the first of these, so that an agent that
    /// starts does not withdraw stations that it has not yet learned again.
    All(BTreeSet<LocalMac>),
    /// A station was learned, or its address became known.
    There(LocalMac),
    /// A station is gone: it aged out, moved behind a tunnel, or its logical switch was unbound.
    Gone(Vni, MacAddr),
}

impl HardwareVtep {
    /// Opens the database of `config` for one of its instances, by index. Rows are empty until the database was seen;
    /// the [status](Self::status) shows this.
    ///
    /// The future has to be run. It ends when the `HardwareVtep` is dropped.
    ///
    /// # Errors
    /// The configuration is invalid. A server that cannot be reached is not an error.
    pub fn open(config: &Config, instance: usize) -> Result<(Self, impl Future<Output = ()> + use<>), OpenError> {
        let database = config.database.as_ref().ok_or(OpenError::NotConfigured)?;
        let host = nix::unistd::gethostname()?.to_string_lossy().into_owned();
        let settings = settings(config, instance, database, &host);
        let named = config.instances.get(instance).is_some_and(|instance| instance.switch.is_some());
        if !named && is_anybody(&host) {
            return Err(OpenError::Anybody(host));
        }
        let (client, events, driver) = ovsdb::open(options(database)?, VtepDecoder)?;
        let contact = client.contact();
        let engine = Engine::new(settings, Duration::ZERO);
        let (rows_sender, rows) = watch::channel(Arc::clone(engine.rows()));
        let (status_sender, status) = watch::channel(Arc::new(engine.status(Duration::ZERO)));
        let (reached_sender, reached) = watch::channel(false);
        let inbox = Arc::new(Inbox::default());
        let actor = Actor {
            engine,
            events,
            client,
            inbox: Arc::clone(&inbox),
            started: Instant::now(),
            rows: rows_sender,
            status: status_sender,
            reached: reached_sender,
        };
        let work = async move {
            tokio::select! {
                () = driver => {}
                () = actor.run() => {}
            }
        };
        Ok((Self { instance, contact, rows, status, reached, inbox, host }, work))
    }

    /// Returns the status, with a notification of every change.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// Publishes a change of the stations learned on access ports.
    pub fn publish(&self, local: Local) {
        self.inbox.put(|pending| pending.learned(local));
    }

    /// Reports the counters of all bindings.
    pub fn report_traffic(&self, traffic: TrafficByBinding) {
        self.inbox.put(|pending| pending.traffic = Some(traffic));
    }

    /// Reports the current faults.
    pub fn report_faults(&self, faults: Faults) {
        self.inbox.put(|pending| pending.faults = Some(faults));
    }

    /// Sets the remote VTEPs that cannot be reached. None of them is chosen as a service node if there is another.
    pub(crate) fn set_unreachable(&self, unreachable: BTreeSet<IpAddr>) {
        self.inbox.put(|pending| pending.unreachable = Some(unreachable));
    }
}

impl Database for HardwareVtep {
    fn rows(&self) -> watch::Receiver<Arc<Rows>> {
        self.rows.clone()
    }

    fn reconfigure(&mut self, config: &Config) {
        let Some(database) = &config.database else { return };
        let settings = settings(config, self.instance, database, &self.host);
        self.inbox.put(|pending| pending.settings = Some(settings));
    }

    fn describe(&self) -> view::Database {
        let status = self.status.borrow();
        let (state, remaining) = match status.hold {
            vtep::HoldState::Waiting { remaining } => (DatabaseState::Waiting, remaining),
            vtep::HoldState::Following => (DatabaseState::Following, None),
            vtep::HoldState::Gone { remaining } => (DatabaseState::Gone, remaining),
            vtep::HoldState::Kept { remaining, .. } => (DatabaseState::Kept, Some(remaining)),
            vtep::HoldState::Expired => (DatabaseState::Expired, None),
        };
        view::Database::HardwareVtep(view::Following {
            reached: status.remote.is_some(),
            state,
            state_seconds: None,
            hold_seconds_left: remaining.map(|left| left.as_secs()),
            remote: status.remote.clone(),
            schema_version: status.schema_version.clone(),
            unreadable_rows: status.unreadable as u64,
            problems: status.problems.iter().cloned().collect(),
            faults: status.faults.iter().cloned().collect(),
            lock: match status.lock {
                vtep::LockState::None => DatabaseLock::None,
                vtep::LockState::Asked => DatabaseLock::Asked,
                vtep::LockState::Held => DatabaseLock::Held,
                vtep::LockState::Waiting { .. } => DatabaseLock::Waiting,
                vtep::LockState::Stolen { .. } => DatabaseLock::Stolen,
                vtep::LockState::Unsupported => DatabaseLock::Unsupported,
            },
            unreachable: status.unreachable.as_ref().map(|(remote, reason, cause)| view::Unreachable {
                remote: remote.clone(),
                reason: reason.clone(),
                cause: cause.name().to_owned(),
            }),
        })
    }

    fn heard(&self, _instance: Option<&str>) -> Option<Duration> {
        self.contact.last()
    }

    fn is_known(&self) -> bool {
        !matches!(self.status.borrow().hold, vtep::HoldState::Waiting { .. })
    }

    fn learned(&mut self, changes: Vec<Local>) {
        self.inbox.put(|pending| changes.into_iter().for_each(|change| pending.learned(change)));
    }

    fn carried(&mut self, traffic: TrafficByBinding) {
        HardwareVtep::report_traffic(self, traffic);
    }

    fn faults(&mut self, faults: &BTreeSet<Fault>) {
        self.report_faults(Faults { switch: faults.clone(), ..Faults::default() });
    }

    fn unreachable(&mut self, remotes: BTreeSet<IpAddr>) {
        self.set_unreachable(remotes);
    }

    fn reached(&self) -> watch::Receiver<bool> {
        self.reached.clone()
    }

    fn role(&mut self, instance: usize, active: bool) {
        if instance == self.instance {
            self.inbox.put(|pending| pending.writing = Some(active));
        }
    }
}

impl Drop for HardwareVtep {
    fn drop(&mut self) {
        self.inbox.put(|pending| pending.closed = true);
    }
}

/// Returns true for a default host name, which identifies no machine.
fn is_anybody(host: &str) -> bool {
    let first = host.split('.').next().unwrap_or_default();
    first.is_empty() || ["localhost", "localhost6", "(none)"].iter().any(|name| first.eq_ignore_ascii_case(name))
}

fn settings(config: &Config, instance: usize, database: &DatabaseConfig, host: &str) -> Settings {
    let of = instance;
    let instance = config.instances.get(of);
    let name = instance.and_then(|instance| instance.switch.clone());
    let identity = Identity {
        instance: of,
        name: name.unwrap_or_else(|| host.to_owned()),
        tunnel_ips: instance.map(|instance| instance.vteps.iter().collect()).unwrap_or_default(),
        management_ips: database.management_ips.clone(),
        description: database.description.clone(),
        ports: config.ports.iter().map(|port| port.name.clone()).collect(),
    };
    let hold = HoldTimes { unreachable: database.hold_time, emptied: database.empty_hold_time };
    Settings { identity, learn_limit: database.learn_limit, hold }
}

fn options(database: &DatabaseConfig) -> Result<Options, NoCredentials> {
    let credentials = std::env::var_os(CREDENTIALS);
    let tls = database.tls.as_ref().map(|files| files.find(credentials.as_deref())).transpose()?;
    Ok(Options {
        remotes: database.remotes.clone(),
        database: vtep::DATABASE.to_owned(),
        tables: vtep::tables(),
        // Other members forward transactions to the leader, and their contents lag behind.
        leader_only: true,
        probe: database.inactivity_probe,
        tls,
        server: database.server.clone(),
        longest_message: database.message_limit,
    })
}

/// Pending input of the actor. A later value replaces an earlier one of the same kind, so the inbox is bounded.
#[derive(Debug, Default)]
struct Inbox {
    pending: Mutex<Pending>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    all: Option<BTreeSet<LocalMac>>,
    /// Changes after `all`: the address of a station, if it has one, or `None` if the station is gone.
    local: BTreeMap<(Vni, MacAddr), Option<Option<IpAddr>>>,
    traffic: Option<TrafficByBinding>,
    faults: Option<Faults>,
    unreachable: Option<BTreeSet<IpAddr>>,
    writing: Option<bool>,
    settings: Option<Settings>,
    closed: bool,
}

impl Pending {
    /// Adds a change. It replaces a pending change of the same station.
    fn learned(&mut self, change: Local) {
        match change {
            Local::All(all) => (self.all, self.local) = (Some(all), BTreeMap::new()),
            Local::There(station) => {
                self.local.insert((station.vni, station.mac), Some(station.ip));
            }
            Local::Gone(vni, mac) => {
                self.local.insert((vni, mac), None);
            }
        }
    }
}

impl Inbox {
    fn put(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_one();
    }

    fn take(&self) -> Pending {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

type Transaction = Pin<Box<dyn Future<Output = Result<(), TransactError>>>>;

/// Actor that feeds the engine with events, input and the time.
struct Actor {
    engine: Engine,
    events: Events<Row>,
    client: Client,
    inbox: Arc<Inbox>,
    started: Instant,
    rows: watch::Sender<Arc<Rows>>,
    status: watch::Sender<Arc<Status>>,
    reached: watch::Sender<bool>,
}

impl Actor {
    async fn run(mut self) {
        let mut transaction: Option<Transaction> = None;
        loop {
            self.tell();
            if let Some(request) = self.engine.lock_request() {
                self.client.lock(self.engine.lock(), request).await;
            }
            if transaction.is_none()
                && let Some(operations) = self.engine.transaction(self.now())
            {
                let client = self.client.clone();
                transaction = Some(Box::pin(async move { client.transact(operations).await.map(drop) }));
            }
            let deadline = self.deadline();
            let mut timer = pin!(async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            });
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.engine.event(event, self.now()),
                    None => return,
                },
                outcome = finish(&mut transaction) => {
                    transaction = None;
                    self.drain();
                    self.engine.outcome(outcome, self.now());
                },
                () = self.inbox.news.notified() => if !self.take_inbox() {
                    return;
                },
                () = &mut timer => self.engine.tick(self.now()),
            }
            self.drain();
        }
    }

    /// Processes all queued events. They lead to one update of the rows, and the changes of a transaction are applied
    /// before its outcome.
    fn drain(&mut self) {
        while let Some(event) = self.events.try_recv() {
            self.engine.event(event, self.now());
        }
    }

    /// Applies the pending input. Returns false once the handle was dropped.
    fn take_inbox(&mut self) -> bool {
        let Pending { all, local, traffic, faults, unreachable, writing, settings, closed } = self.inbox.take();
        if let Some(settings) = settings {
            self.engine.reconfigure(settings, self.now());
        }
        if let Some(all) = all {
            self.engine.set_local(all);
        }
        for ((vni, mac), change) in local {
            match change {
                Some(ip) => self.engine.learn(LocalMac { vni, mac, ip }),
                None => self.engine.forget(vni, mac),
            }
        }
        if let Some(traffic) = traffic {
            self.engine.set_traffic(traffic);
        }
        if let Some(faults) = faults {
            self.engine.set_faults(faults);
        }
        if let Some(unreachable) = unreachable {
            self.engine.set_unreachable(unreachable, self.now());
        }
        if let Some(writing) = writing {
            self.engine.set_writing(writing);
        }
        !closed
    }

    /// Logs the messages of the engine, and publishes the rows and the status if they have changed.
    fn tell(&mut self) {
        for said in self.engine.take_log() {
            match said {
                LogLine::Warning(text) => tracing::warn!("{text}"),
                LogLine::Info(text) => tracing::info!("{text}"),
                LogLine::Debug(text) => tracing::debug!("{text}"),
            }
        }
        // The status comes first: a reader of the rows learns from it that the database is known.
        let was_known = is_known(&self.status.borrow());
        let status = Arc::new(self.engine.status(self.now()));
        let known = is_known(&status);
        let reached = status.remote.is_some();
        self.status.send_if_modified(|told| replace(told, &status));
        self.reached.send_if_modified(|told| std::mem::replace(told, reached) != reached);
        let rows = self.engine.rows();
        // Empty rows are published too, the first time that the database is known.
        self.rows.send_if_modified(|told| replace(told, rows) || known && !was_known);
    }

    fn deadline(&self) -> Option<Instant> {
        let now = self.now();
        let running_out = match self.engine.status(now).hold {
            vtep::HoldState::Waiting { remaining } | vtep::HoldState::Gone { remaining } => remaining.is_some(),
            vtep::HoldState::Kept { .. } => true,
            vtep::HoldState::Following | vtep::HoldState::Expired => false,
        };
        let status = running_out.then(|| now + STATUS_EVERY);
        self.engine.deadline(now).into_iter().chain(status).min().map(|deadline| self.started + deadline)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Returns false until the database was seen, or the wait for it has timed out.
fn is_known(status: &Status) -> bool {
    !matches!(status.hold, vtep::HoldState::Waiting { .. })
}

/// Replaces `told` with `new` if they differ. Returns true if so.
fn replace<T: PartialEq>(told: &mut Arc<T>, new: &Arc<T>) -> bool {
    let differs = !Arc::ptr_eq(told, new) && **told != **new;
    if differs {
        *told = Arc::clone(new);
    }
    differs
}

async fn finish(transaction: &mut Option<Transaction>) -> Result<(), TransactError> {
    match transaction {
        Some(transaction) => transaction.await,
        None => std::future::pending().await,
    }
}
