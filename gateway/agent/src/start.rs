//! Start of the agent: opens everything, programs the data plane, and attaches it.

use std::{path::Path, sync::Arc, time::Duration};

use gateway_base::{clock, log};
use gateway_config::Config;
use gateway_datapath::{
    Maps,
    attach::Attacher,
    filter_news::FilterNews,
    load::{self, Loaded, Objects, Settings},
    pins::PinDir,
};
use gateway_ha::{
    Handle, Leases,
    peers::{self, Followed},
};
use gateway_netdev::{
    nic::NicSettings,
    underlay::{self, Snapshot, Wanted},
};
use gateway_sources::{Database, HardwareVtep, Several, StaticDatabase};
use tokio::{io::unix::AsyncFd, sync::watch, time::timeout};

use super::{
    agent::{Agent, Parts},
    captures::Captures,
    cluster::{Cluster, shares_database},
    error::AgentError,
    event_log::EventLog,
    forwarding::{Forwarding, ageing_interval},
    inputs::{DatabaseInputs, Events, Follower, Inputs, Signals, Timers, Work},
    kernel_log::{self, KernelLog},
    outputs::{Outputs, listen},
    row_source::{RowSource, wanted},
    state_sync::StateSync,
    status::StatusFile,
    systemd::Watchdog,
    turn::Latest,
};
use crate::{
    ctl::{Counters, Requests},
    devices::Devices,
    events::journal::Moment,
    metrics::Exporter,
};

/// Time that a start waits for next hops to be resolved. Most resolve within milliseconds. One that does not is
/// reported as a problem and resolved later.
const SETTLE: Duration = Duration::from_secs(1);

/// Time that a start waits for the first rows of a remote database.
const FIRST_ROWS: Duration = Duration::from_secs(1);

/// Everything that the agent starts with.
pub(super) struct Setup<'a> {
    /// Path of the configuration file.
    pub(super) path: &'a Path,
    pub(super) config: Config,
    /// Programs of the data plane.
    pub(super) objects: Objects,
    /// Virtual routers; `None` for a standalone gateway.
    pub(super) ha: Option<&'a Handle>,
    pub(super) log: &'a log::Control,
    /// Requests on the control socket, and its counters.
    pub(super) requests: Requests,
    pub(super) clients: Arc<Counters>,
}

/// Agent that has been started.
pub(super) struct Started<'a> {
    pub(super) agent: Agent<'a>,
    pub(super) inputs: Inputs<'a>,
    pub(super) outputs: Outputs<'a>,
}

/// Starts the agent.
///
/// # Errors
/// Something can't be opened, or the kernel refuses the data plane.
pub(super) async fn start(setup: Setup<'_>) -> Result<Started<'_>, AgentError> {
    let Setup { path, config, objects, ha, log, requests, clients } = setup;
    let signals = Signals::open()?;
    let mut exporter = Exporter::new();
    listen(&mut exporter, &config);

    let (database, mut from_database) = open_database(&config).await?;
    // The rest of the start uses the same rows. Later rows arrive as a change.
    let (known, rows) = (database.is_known(), Arc::clone(&from_database.rows.borrow_and_update()));
    let wanted = watch::Sender::new(Arc::new(wanted(&config, &rows)));
    let (mut snapshots, follower) = follow_underlay(&wanted, &mut from_database.work).await?;

    let pins = PinDir::new(&config.gateway.pin_dir);
    let mut loaded = load_programs(&pins, &config, objects, ha).await?;
    let kernel_log = KernelLog::open(&mut loaded.ebpf)?;
    let attacher = Attacher::new(pins.clone());
    let filters = (!attacher.has_links_for_tc()).then(FilterNews::open).transpose()?;
    let devices = Devices::new(attacher, NicSettings::open(&config.gateway.run_dir)?, pins.root().to_path_buf());
    let underlay = Arc::clone(&snapshots.borrow_and_update());
    if !known {
        tracing::warn!("the database has not been reached yet; what an earlier run has programmed stays as it is");
    }
    let adopted = loaded.adopted;
    let mut forwarding = Forwarding::start(loaded, devices, &config, known.then_some(&*rows), &underlay)?;
    let events = open_events(&pins)?;
    let timers = Timers::start(ageing_interval(&config));
    let group = crate::ctl::group(config.gateway.control_group.as_deref())?;
    let status_file = StatusFile::new(&config.gateway.run_dir, group);

    let mut roles = ha.map(Handle::statuses);
    let (state_sync, nodes, state_sync_work) = open_state_sync(&config, ha.is_some());
    // Capture programs of an earlier agent have just been replaced.
    let captures = Captures::new(pins)?;
    let now = now();
    let cluster = ha.map(|ha| Cluster::start(ha, state_sync, &config, &rows, &forwarding, &underlay, now.steady));
    let event_log = EventLog::start(adopted, &mut forwarding, &rows, &underlay, now);
    let statuses = roles.as_mut().map(|roles| Arc::clone(&roles.borrow_and_update()));
    let latest = Latest { rows: Arc::clone(&rows), underlay };
    let source = RowSource::new(database, wanted, rows, known);
    let parts = Parts { path, config, latest, source, forwarding, cluster, event_log, captures };
    let agent = Agent::start(parts, statuses, now)?;
    let outputs = Outputs::new(log, clients, status_file, exporter);
    let inputs = Inputs {
        signals,
        roles,
        nodes,
        state_sync: state_sync_work,
        requests,
        database: from_database,
        underlay: snapshots,
        follower,
        events,
        kernel_log,
        filters,
        scrapes: outputs.scrapes(),
        watchdog: Watchdog::start(ha),
        timers,
    };
    Ok(Started { agent, inputs, outputs })
}

/// Returns the current time of both clocks.
pub(super) fn now() -> Moment {
    Moment { wall: clock::realtime(), steady: clock::monotonic() }
}

/// Opens the database and waits for the first rows. With rows to start from, forwarding is complete at once. Without
/// rows the agent starts all the same.
async fn open_database(config: &Config) -> Result<(Box<dyn Database>, DatabaseInputs), AgentError> {
    let (database, work): (Box<dyn Database>, Work) = if config.database.is_none() {
        (Box::new(StaticDatabase::new(config)), Box::pin(std::future::pending()))
    } else if config.instances.len() > 1 {
        let (databases, work) = Several::open(config)?;
        (Box::new(databases), work)
    } else {
        let (database, work) = HardwareVtep::open(config, 0)?;
        (Box::new(database), Box::pin(work))
    };
    if shares_database(config) {
        (0..config.instances.len()).for_each(|index| database.set_role(index, false));
    }
    let mut inputs = DatabaseInputs { rows: database.rows(), reached: database.reached(), work };
    if !database.is_known() {
        tokio::select! {
            _ = timeout(FIRST_ROWS, inputs.rows.changed()) => {}
            () = &mut inputs.work => return Err(AgentError::DatabaseEnded),
        }
    }
    Ok((database, inputs))
}

/// Follows the underlay, and waits until the next hops are resolved.
async fn follow_underlay(
    wanted: &watch::Sender<Arc<Wanted>>,
    database: &mut Work,
) -> Result<(watch::Receiver<Arc<Snapshot>>, Follower), AgentError> {
    let (follower, mut snapshots) = underlay::open(wanted.subscribe()).await?;
    let mut follower: Follower = Box::pin(follower.run());
    tokio::select! {
        _ = timeout(SETTLE, snapshots.wait_for(|underlay| underlay.is_settled())) => {}
        ended = &mut follower => {
            ended?;
            return Err(AgentError::UnderlayEnded);
        }
        () = database => return Err(AgentError::DatabaseEnded),
    }
    Ok((snapshots, follower))
}

/// Loads the programs. If those of an earlier run give way to new ones with a new map of leases, the leases are in that
/// map before any new program is attached.
async fn load_programs(
    pins: &PinDir,
    config: &Config,
    objects: Objects,
    ha: Option<&Handle>,
) -> Result<Loaded, AgentError> {
    let settings = Settings {
        udp_port: config.gateway.udp_port,
        fdb_size: config.gateway.fdb_size,
        trace: kernel_log::is_wanted(),
    };
    let loaded = load::load(pins, settings, objects)?;
    if let (Some(ha), false) = (ha, loaded.adopted || loaded.first) {
        ha.data_plane(Leases::open_pinned(&pins.new_maps().join("leases"))?);
        ha.settled().await;
    }
    Ok(loaded)
}

/// Opens the ring buffer of learning events.
fn open_events(pins: &PinDir) -> Result<Events, AgentError> {
    // SAFETY: the ring buffer owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
    let events = unsafe { AsyncFd::register(Maps::open_events(pins)?) };
    events.map_err(|error| AgentError::io("watching map events", error))
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
