//! Event loop of the agent.

use std::{
    cell::Cell,
    io,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use aya_log::EbpfLogger;
use gateway_api::ctl;
use gateway_base::{clock, log};
use gateway_common::event::LearnEvent;
use gateway_config::{CREDENTIALS, Config, KeyError};
use gateway_datapath::{
    Maps,
    attach::Attacher,
    filter_news::FilterNews,
    load::{self, Objects, Settings},
    pins::PinDir,
    preflight::preflight,
};
use gateway_ha as ha;
use gateway_ha::{
    Handle, Leases, Setup,
    peers::{self, Followed},
};
use gateway_netdev::{nic::NicSettings, underlay};
use gateway_sources::{Database, HardwareVtep, Several, StaticDatabase};
use gateway_vrrp::{Leave, Role};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    captures::Captures,
    cluster::{Cluster, shares_database},
    coverage::Coverage,
    error::AgentError,
    event_log::{EventLog, now as moment},
    forwarding::{Forwarding, ageing_interval},
    handlers::{Agent, End, wanted},
    report::Report,
    state_sync::StateSync,
    status::StatusFile,
    systemd::{self, Systemd},
    views::DatabaseSince,
};
use crate::{
    ctl::server::{Counters, Requests},
    devices::Devices,
    metrics::{Exporter, measured::Reloads},
    process_lock::Instance,
};

/// Time that a start waits for next hops to be resolved. Most resolve within milliseconds. One that does not is
/// reported as a problem and resolved later.
const SETTLE: Duration = Duration::from_secs(1);

/// Time that a start waits for the first rows of a remote database.
const FIRST_ROWS: Duration = Duration::from_secs(1);

/// Interval at which the status file is updated.
const STATUS: Duration = Duration::from_secs(1);

/// Interval at which the counters of the bindings are reported to the database.
const REPORT: Duration = Duration::from_secs(10);

/// Learning events handled in one turn of the loop. A host that floods a VLAN with forged sources must not keep the
/// agent from its other work. The FDB scan finds the stations for which the ring buffer had no room.
const BATCH: usize = 512;

/// Log target of the programs in the kernel.
const KERNEL_LOG: &str = "vtep_gateway_ebpf";

/// Runs until SIGTERM or SIGINT, or until a client requests the end. The data plane stays. It goes on forwarding if no
/// other node can take over, or if the role is kept. `path` is read again on SIGHUP.
///
/// # Errors
/// The agent can't run. Nothing is attached then that was not attached before.
pub async fn run(path: &Path, config: Config, objects: Objects, log: &log::Control) -> Result<(), AgentError> {
    let ready = Cell::new(false);
    let outcome = run_until_told(path, config, objects, log, &ready).await;
    outcome.map_err(|error| if ready.get() { error } else { AgentError::NotStarted(Box::new(error)) })
}

async fn run_until_told(
    path: &Path,
    mut config: Config,
    objects: Objects,
    log: &log::Control,
    ready: &Cell<bool>,
) -> Result<(), AgentError> {
    preflight(&config)?;
    load_keys(&mut config)?;
    let _instance = Instance::acquire(&config.gateway.run_dir)?;
    let group = config.gateway.control_group.as_deref();
    let (requests, clients, control) = crate::ctl::open(&ctl::path(&config.gateway.run_dir), group, ctl::COMMANDS)?;
    let mut control = pin!(control);
    // First of all: a lease of an earlier run is renewed while the rest starts.
    let ha = start_ha(&config)?;
    let outcome: Result<End, AgentError> = tokio::select! {
        outcome = drive(path, config, ha.as_ref(), Surroundings { objects, log, requests, clients, ready }) => outcome,
        () = &mut control => Err(AgentError::ControlEnded),
    };
    let leave = outcome.as_ref().map_or(Leave::Handover, |end| end.leave);
    let kept = ha.is_none() || leave == Leave::Keep;
    systemd::stopping(if kept { "stopping; the data plane goes on forwarding" } else { "stopping; handing over" });
    if let Some(ha) = ha {
        ha.stop(leave).await;
    }
    let End { request, .. } = outcome?;
    if kept {
        tracing::info!("stopping; the data plane goes on forwarding (vtep-gateway detach takes it down)");
    } else {
        tracing::info!("stopping; the data plane is left without a lease, another node forwards");
    }
    if let Some(request) = request {
        tokio::select! {
            () = request.answer(Ok(String::new())) => {}
            () = control => {}
        }
    }
    Ok(())
}

fn start_ha(config: &Config) -> Result<Option<Handle>, AgentError> {
    if !config.is_redundant() {
        return Ok(None);
    }
    // The leases of an earlier run count only while it forwards. Without a lease, this node must not become active
    // before all changes since then are programmed.
    let leases = Leases::open(&PinDir::new(&config.gateway.pin_dir))?.filter(|leases| is_running(config, leases));
    let (uplinks, ports) = (config.uplinks.clone(), config.ports.clone());
    let ha = ha::start(Setup { instances: config.instances.clone(), uplinks, ports, leases })?;
    if config.sync.port != 0 {
        // This holds until the number of bindings that other nodes forward is known.
        let statuses = ha.statuses();
        let others = statuses
            .borrow()
            .iter()
            .filter(|one| one.status.role != Role::Active)
            .map(|one| one.vrid)
            .collect::<Vec<_>>();
        ha.held(others.into_iter().collect());
    }
    Ok(Some(ha))
}

/// Loads the keys that nodes authenticate each other with. Warns of the risks if there are none.
pub(super) fn load_keys(config: &mut Config) -> Result<(), KeyError> {
    for path in config.load_keys(std::env::var_os(CREDENTIALS).as_deref())? {
        tracing::warn!("{} has a key in it, and anybody can read it: chmod 0600 {0}", path.display());
    }
    for (name, why) in config.unauthenticated() {
        tracing::info!(
            "{name}: {why}: whoever is on the link can take the role from this node, or keep it from it; see Security in \
             HIGH-AVAILABILITY.md"
        );
    }
    Ok(())
}

type Received = Option<watch::Receiver<Arc<Followed>>>;

/// Opens the state-sync client, if there are other nodes and it is not turned off.
fn open_state_sync(config: &Config, redundant: bool) -> (Option<StateSync>, Received, Work) {
    if !redundant || config.sync.port == 0 {
        return (None, None, Box::pin(std::future::pending()));
    }
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (peers, followed, work) = peers::open(config.sync.port, config.gateway.fdb_size as usize);
    (Some(StateSync::new(peers, host)), Some(followed), Box::pin(work))
}

fn is_running(config: &Config, leases: &Leases) -> bool {
    let now = clock::monotonic();
    let vrids = config.instances.iter().filter_map(|instance| Some(instance.vrrp.as_ref()?.vrid));
    vrids.into_iter().any(|vrid| leases.read(vrid).is_ok_and(|end| end > now))
}

/// Inputs of the loop besides its state.
struct Surroundings<'a> {
    objects: Objects,
    log: &'a log::Control,
    requests: Requests,
    clients: Arc<Counters>,
    /// True once everything is programmed and attached.
    ready: &'a Cell<bool>,
}

async fn drive(
    path: &Path,
    config: Config,
    ha: Option<&Handle>,
    surroundings: Surroundings<'_>,
) -> Result<End, AgentError> {
    let Surroundings { objects, log, mut requests, clients, ready } = surroundings;
    let mut hangup = on_signal(SignalKind::hangup())?;
    let mut terminate = on_signal(SignalKind::terminate())?;
    let mut interrupt = on_signal(SignalKind::interrupt())?;
    let mut exporter = Exporter::new();
    listen(&mut exporter, &config);

    let (database, mut database_work) = open_database(&config)?;
    if shares_database(&config) {
        (0..config.instances.len()).for_each(|index| database.set_role(index, false));
    }
    let mut rows = database.rows();
    let mut reached = database.reached();
    if !database.is_known() {
        // With rows to start from, forwarding is complete at once. Without rows the agent starts all the same.
        tokio::select! {
            _ = timeout(FIRST_ROWS, rows.changed()) => {}
            () = &mut database_work => return Err(AgentError::DatabaseEnded),
        }
    }
    // The rest of the start uses the same rows. Later rows arrive as a change.
    let (known, now) = (database.is_known(), Arc::clone(&rows.borrow_and_update()));
    let wanted = watch::Sender::new(Arc::new(wanted(&config, &now)));
    let (follower, mut snapshots) = underlay::open(wanted.subscribe()).await?;
    let mut following = pin!(follower.run());
    tokio::select! {
        _ = timeout(SETTLE, snapshots.wait_for(|underlay| underlay.is_settled())) => {}
        ended = &mut following => ended?,
        () = &mut database_work => return Err(AgentError::DatabaseEnded),
    }

    let pins = PinDir::new(&config.gateway.pin_dir);
    let mut loaded = load::load(&pins, settings(&config), objects)?;
    if let (Some(ha), false) = (ha, loaded.adopted || loaded.first) {
        // The programs of an earlier run give way to new ones with a new map of leases. The leases have to be in it
        // before.
        ha.data_plane(Leases::open_pinned(&pins.new_maps().join("leases"))?);
        ha.settled().await;
    }
    let mut kernel_log = if tracing::enabled!(target: KERNEL_LOG, tracing::Level::TRACE) {
        let logger =
            EbpfLogger::init(&mut loaded.ebpf).map_err(|error| AgentError::io("reading the kernel's log", error))?;
        // SAFETY: the logger owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
        Some(unsafe { AsyncFd::register(logger) }.map_err(|error| AgentError::io("watching the kernel's log", error))?)
    } else {
        None
    };
    let attacher = Attacher::new(pins.clone());
    let mut filters = (!attacher.has_links_for_tc()).then(FilterNews::open).transpose()?;
    let devices = Devices::new(attacher, NicSettings::open(&config.gateway.run_dir)?, pins.root().to_path_buf());
    let underlay = Arc::clone(&snapshots.borrow_and_update());
    if !known {
        tracing::warn!("the database has not been reached yet; what an earlier run has programmed stays as it is");
    }
    let adopted = loaded.adopted;
    let mut forwarding = Forwarding::start(loaded, devices, &config, known.then_some(&now), &underlay)?;
    forwarding.keep(&pins)?;
    // SAFETY: the ring buffer owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
    let mut events = unsafe { AsyncFd::register(Maps::open_events(&pins)?) }
        .map_err(|error| AgentError::io("watching map events", error))?;
    let mut ageing = ageing(&config);
    let mut reports = interval(REPORT);
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let group = crate::ctl::group(config.gateway.control_group.as_deref())?;
    let mut status = StatusFile::new(&config.gateway.run_dir, group);
    let mut statuses = interval(STATUS);
    statuses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut roles = ha.map(Handle::statuses);
    let (state_sync, mut heard, mut talking) = open_state_sync(&config, ha.is_some());
    // Capture programs of an earlier agent have just been replaced.
    let captures = Captures::new(pins)?;
    let mut cluster = ha.map(|ha| Cluster::new(ha, state_sync));
    if let Some(cluster) = &mut cluster {
        cluster.update(&config, &now, forwarding.able(), &underlay);
    }
    let differences = Report::default();
    let event_log = EventLog::start(adopted, &mut forwarding, &now, &underlay);
    let (started, database_since) = (clock::monotonic(), DatabaseSince::default());
    let (planned, reloads) = (now, Reloads::default());
    let mut agent = Agent {
        config,
        database,
        wanted,
        forwarding,
        planned,
        complete: known,
        cluster,
        differences,
        started,
        database_since,
        log,
        clients,
        systemd: Systemd::default(),
        coverage: Coverage::default(),
        refused: None,
        reached: (0, 0),
        event_log,
        captures,
        reloads,
    };
    agent.poll();
    agent.attached()?;
    agent.roles(roles.as_mut().map(|roles| Arc::clone(&roles.borrow_and_update())))?;
    let status_line = agent.status_line();
    agent.systemd.ready(status_line);
    ready.set(true);
    let mut watchdog = systemd::watchdog();
    let mut pulse = None;
    exporter.turned(agent.readiness());
    loop {
        let due = agent.cluster.as_ref().and_then(Cluster::due);
        let answer = agent.event_log.due();
        let captured = agent.captures.due();
        tokio::select! {
            _ = terminate.recv() => return Ok(End { leave: Leave::Handover, request: None }),
            _ = interrupt.recv() => return Ok(End { leave: Leave::Handover, request: None }),
            // The errors of the file have been logged.
            _ = hangup.recv() => drop(agent.reload(path, &snapshots.borrow().clone())?),
            now = changed(roles.as_mut()) => agent.roles(Some(now.ok_or(AgentError::HaEnded)?))?,
            now = changed(heard.as_mut()) => if let Some(now) = now {
                agent.heard(now)?;
            },
            () = &mut talking => return Err(AgentError::SiblingsEnded),
            () = until(due) => agent.announce(),
            // Clients are answered at the end of the turn.
            () = until(answer) => {}
            () = until(captured) => agent.capture_is_over(),
            Some(request) = requests.recv() => {
                let underlay = snapshots.borrow().clone();
                if let Some(end) = agent.request(request, path, &underlay)? {
                    return Ok(end);
                }
            }
            Ok(()) = rows.changed() => {
                agent.rows_changed(&rows.borrow_and_update().clone(), &snapshots.borrow().clone())?;
            }
            // The consequences are published at the end of the turn.
            Ok(()) = reached.changed() => {
                agent.database_reached(*reached.borrow_and_update());
                agent.poll();
            }
            Ok(()) = snapshots.changed() => {
                agent.update(&rows.borrow().clone(), &snapshots.borrow_and_update().clone())?;
            }
            _ = ageing.tick() => agent.age_fdb(&rows.borrow().clone(), &snapshots.borrow().clone())?,
            _ = reports.tick() => {
                let traffic = agent.forwarding.traffic(&snapshots.borrow())?;
                agent.database.report_traffic(traffic);
            }
            () = filters_gone(filters.as_mut()) => agent.look_at_devices(&rows.borrow().clone(), &snapshots.borrow().clone())?,
            _ = statuses.tick() => {
                agent.look_at_devices(&rows.borrow().clone(), &snapshots.borrow().clone())?;
                // A reload, from a signal or from a client, may have changed the addresses.
                listen(&mut exporter, &agent.config);
                exporter.turned(agent.readiness());
                agent.hear_kernel(&rows.borrow().clone(), &snapshots.borrow().clone())?;
                status.write(&agent.status(&snapshots.borrow().clone()));
                agent.look_after();
                agent.poll();
            }
            // A loop that hangs sends no keep-alive. If its virtual routers hang, it sends no second one.
            () = tick(watchdog.as_mut()), if pulse.is_none() => {
                systemd::alive();
                pulse = ha.map(|ha| Box::pin(ha.settled()));
            }
            () = end_of(pulse.as_mut()) => pulse = None,
            () = exporter.request() => exporter.publish(agent.measure(&snapshots.borrow().clone())),
            ready = events.readable_mut() => {
                let mut ready = ready.map_err(|error| AgentError::io("reading map events", error))?;
                let (events, now) = (ready.get_inner_mut(), moment());
                let more = (0..BATCH).all(|_| match events.next() {
                    Some(item) => {
                        if let Ok(event) = bytemuck::try_pod_read_unaligned::<LearnEvent>(&item) {
                            agent.mac_learned(&event, now);
                        }
                        true
                    }
                    None => false,
                });
                if !more {
                    ready.clear_ready();
                }
            }
            read = read_log(kernel_log.as_mut()) => read.map_err(|error| AgentError::io("reading the kernel's log", error))?,
            ended = &mut following => ended?,
            () = &mut database_work => return Err(AgentError::DatabaseEnded),
        }
        agent.publish();
        if ageing.period() != ageing_interval(&agent.config) {
            ageing = self::ageing(&agent.config);
        }
        agent.event_log.answer();
    }
}

/// Background work of a database beside the loop; it does not end.
type Work = Pin<Box<dyn Future<Output = ()>>>;

fn open_database(config: &Config) -> Result<(Box<dyn Database>, Work), AgentError> {
    if config.database.is_none() {
        return Ok((Box::new(StaticDatabase::new(config)), Box::pin(std::future::pending())));
    }
    if config.instances.len() > 1 {
        let (databases, work) = Several::open(config)?;
        return Ok((Box::new(databases), work));
    }
    let (database, work) = HardwareVtep::open(config, 0)?;
    Ok((Box::new(database), Box::pin(work)))
}

fn settings(config: &Config) -> Settings {
    Settings {
        udp_port: config.gateway.udp_port,
        fdb_size: config.gateway.fdb_size,
        trace: tracing::enabled!(target: KERNEL_LOG, tracing::Level::TRACE),
    }
}

/// Forwards the log of the programs in the kernel. Never ends without such a log.
async fn read_log<T: ::log::Log>(log: Option<&mut AsyncFd<EbpfLogger<T>>>) -> io::Result<()> {
    let Some(log) = log else { return std::future::pending().await };
    let mut ready = log.readable_mut().await?;
    ready.get_inner_mut().flush();
    ready.clear_ready();
    Ok(())
}

/// Waits for a change and returns the latest value; `None` if the channel is closed. Never ends without a channel.
async fn changed<T>(channel: Option<&mut watch::Receiver<Arc<T>>>) -> Option<Arc<T>> {
    let Some(channel) = channel else { return std::future::pending().await };
    channel.changed().await.ok()?;
    Some(Arc::clone(&channel.borrow_and_update()))
}

/// Waits until a filter of the gateway may have gone. Never ends without such notifications.
async fn filters_gone(news: Option<&mut FilterNews>) {
    match news {
        Some(news) => news.gone().await,
        None => std::future::pending().await,
    }
}

/// Waits for the next tick of a clock. Never ends without a clock.
async fn tick(clock: Option<&mut Interval>) {
    match clock {
        Some(clock) => drop(clock.tick().await),
        None => std::future::pending().await,
    }
}

/// Waits for the end of some work. Never ends without work.
async fn end_of(work: Option<&mut Pin<Box<impl Future<Output = ()>>>>) {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Listens for scrapes. An error is only logged, because forwarding matters more than metrics.
fn listen(exporter: &mut Exporter, config: &Config) {
    if let Err(error) = exporter.listen(&config.metrics.listen) {
        tracing::error!("there are no metrics: starting the thread that serves them: {error}");
    }
}

fn ageing(config: &Config) -> Interval {
    let mut ageing = interval(ageing_interval(config));
    ageing.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ageing
}

fn on_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AgentError> {
    signal(kind).map_err(|error| AgentError::io("watching for signals", error))
}
