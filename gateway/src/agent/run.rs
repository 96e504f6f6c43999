//! The loop.

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use aya_log::EbpfLogger;
use log::Log;
use serde_json::{Value, json};

use gateway_common::{
    event::LearnEvent,
    net::{MacAddr, Vni},
};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    error::AgentError,
    forwarding::{Forwarding, sweep_interval},
    status::StatusFile,
};
use crate::{
    config::Config,
    database::{Database, HardwareVtep, Rows, Several, StaticDatabase},
    datapath::{
        Maps,
        attach::Attacher,
        load::{self, Settings},
        pins::PinDir,
    },
    devices::Devices,
    instance::Instance,
    nic::NicSettings,
    plan,
    preflight::preflight,
    underlay::{self, Resolution, Snapshot, Wanted},
    vtep::LocalMac,
};

/// How long a start waits for next hops to be resolved. Most are within milliseconds; one that is not is told as a
/// problem and resolved when it can be.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a start waits for the first rows of a database that is elsewhere.
const FIRST_ROWS: Duration = Duration::from_secs(1);

/// How often the status file is looked after.
const STATUS: Duration = Duration::from_secs(1);

/// How often the database is told what the bindings have carried.
const REPORT: Duration = Duration::from_secs(10);

/// Learning events taken in at a turn of the loop: whoever floods a VLAN with forged sources must not keep the agent from
/// everything else. What the ring buffer has no room for meanwhile, the census finds.
const BATCH: usize = 512;

/// Target of what the programs in the kernel log.
const KERNEL_LOG: &str = "vtep_gateway_ebpf";

/// Runs until SIGTERM or SIGINT. The data plane goes on forwarding after that. `path` is read again on SIGHUP.
///
/// # Errors
/// What keeps the agent from running. Nothing is attached then that was not before.
pub async fn run(path: &Path, config: Config) -> Result<(), AgentError> {
    preflight(&config)?;
    let _instance = Instance::acquire(&config.gateway.run_dir)?;
    let mut hangup = on_signal(SignalKind::hangup())?;
    let mut terminate = on_signal(SignalKind::terminate())?;
    let mut interrupt = on_signal(SignalKind::interrupt())?;

    let (database, mut database_work) = open_database(&config)?;
    let mut rows = database.rows();
    if !database.is_known() {
        // With rows to start from, forwarding is complete at once. Without, it starts all the same.
        tokio::select! {
            _ = timeout(FIRST_ROWS, rows.changed()) => {}
            () = &mut database_work => return Err(AgentError::DatabaseEnded),
        }
    }
    let wanted = watch::Sender::new(Arc::new(wanted(&config, &rows.borrow_and_update())));
    let (follower, mut snapshots) = underlay::open(wanted.subscribe()).await?;
    let mut following = pin!(follower.run());
    tokio::select! {
        _ = timeout(SETTLE, snapshots.wait_for(|underlay| underlay.is_settled())) => {}
        ended = &mut following => ended?,
        () = &mut database_work => return Err(AgentError::DatabaseEnded),
    }

    let pins = PinDir::new(&config.gateway.pin_dir);
    let mut loaded = load::load(&pins, settings(&config))?;
    let mut kernel_log = if tracing::enabled!(target: KERNEL_LOG, tracing::Level::TRACE) {
        let logger =
            EbpfLogger::init(&mut loaded.ebpf).map_err(|error| AgentError::io("reading the kernel's log", error))?;
        // SAFETY: the logger owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
        Some(unsafe { AsyncFd::register(logger) }.map_err(|error| AgentError::io("watching the kernel's log", error))?)
    } else {
        None
    };
    let devices = Devices::new(Attacher::new(pins.clone()), NicSettings::open(&config.gateway.run_dir)?);
    let (now, underlay) = (Arc::clone(&rows.borrow()), Arc::clone(&snapshots.borrow_and_update()));
    let known = database.is_known();
    if !known {
        tracing::warn!("the database has not been reached yet; what an earlier run has programmed stays as it is");
    }
    let forwarding = Forwarding::start(loaded, devices, &config, known.then_some(&now), &underlay)?;
    // SAFETY: the ring buffer owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
    let mut events = unsafe { AsyncFd::register(Maps::open_events(&pins)?) }
        .map_err(|error| AgentError::io("watching map events", error))?;
    let mut sweeps = sweeps(&config);
    let mut reports = interval(REPORT);
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut status = StatusFile::new(&config.gateway.run_dir);
    let mut statuses = interval(STATUS);
    statuses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut agent = Agent { config, database, wanted, forwarding, planned: now };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => if agent.reload(path) {
                sweeps = self::sweeps(&agent.config);
                agent.update(&rows.borrow_and_update().clone(), &snapshots.borrow().clone())?;
                // A learning limit or ageing time that has changed counts from now on.
                agent.sweep(&rows.borrow().clone(), &snapshots.borrow().clone())?;
                tracing::info!("reloaded {}", path.display());
            },
            Ok(()) = rows.changed() => {
                agent.rows_changed(&rows.borrow_and_update().clone(), &snapshots.borrow().clone())?;
            }
            Ok(()) = snapshots.changed() => {
                agent.update(&rows.borrow().clone(), &snapshots.borrow_and_update().clone())?;
            }
            _ = sweeps.tick() => agent.sweep(&rows.borrow().clone(), &snapshots.borrow().clone())?,
            _ = reports.tick() => {
                let traffic = agent.forwarding.traffic(&snapshots.borrow())?;
                agent.database.carried(traffic);
            }
            _ = statuses.tick() => status.write(&agent.describe()),
            ready = events.readable_mut() => {
                let mut ready = ready.map_err(|error| AgentError::io("reading map events", error))?;
                let events = ready.get_inner_mut();
                let more = (0..BATCH).all(|_| match events.next() {
                    Some(item) => {
                        if let Ok(event) = bytemuck::try_pod_read_unaligned::<LearnEvent>(&item) {
                            agent.forwarding.learned(&event);
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
    }
    tracing::info!("stopping; the data plane goes on forwarding (vtep-gateway detach takes it down)");
    Ok(())
}

/// What the loop's turns work on.
struct Agent {
    config: Config,
    database: Box<dyn Database>,
    wanted: watch::Sender<Arc<Wanted>>,
    forwarding: Forwarding,
    /// The rows that forwarding was planned from last.
    planned: Arc<Rows>,
}

impl Agent {
    fn describe(&self) -> Value {
        json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "database": self.database.describe(),
            "forwarding": self.forwarding.describe(),
        })
    }

    /// The rows have changed, and nothing else.
    fn rows_changed(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        let old = std::mem::replace(&mut self.planned, Arc::clone(rows));
        if self.forwarding.update_rows(&self.config, &old, rows) {
            return Ok(());
        }
        self.update(rows, underlay)
    }

    /// Rows, underlay or configuration have changed.
    fn update(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        if !self.database.is_known() {
            self.forwarding.wait(&self.config, underlay);
            return Ok(());
        }
        self.database.unreachable(unreachable(underlay));
        self.planned = Arc::clone(rows);
        let wanted = Arc::new(wanted(&self.config, rows));
        self.wanted.send_if_modified(|old| {
            if *old == wanted {
                false
            } else {
                *old = wanted;
                true
            }
        });
        self.forwarding.update(&self.config, rows, underlay)?;
        self.database.faults(self.forwarding.faults());
        Ok(())
    }

    fn sweep(&mut self, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        if !self.database.is_known() {
            return Ok(());
        }
        self.forwarding.sweep(&self.config, rows, underlay)?;
        self.database.faults(self.forwarding.faults());
        Ok(())
    }

    /// Tells the database of the stations on the VLANs, if others are there than it was told of last.
    fn publish(&mut self) {
        let Some(stations) = self.forwarding.stations() else { return };
        let stations = stations
            .iter()
            .filter_map(|(key, ip)| Some(LocalMac { vni: Vni::new(key.vni)?, mac: MacAddr(key.mac), ip: *ip }));
        self.database.learned(stations.collect());
    }

    /// Reads the configuration again; true if it was taken over.
    fn reload(&mut self, path: &Path) -> bool {
        let new = match Config::load(path) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!("reload refused, the agent goes on as before: {error}");
                return false;
            }
        };
        let restart = self.config.changes_needing_restart(&new);
        if !restart.is_empty() {
            let restart = restart.join(", ");
            tracing::error!("reload refused, the agent goes on as before: these need a restart: {restart}");
            return false;
        }
        self.config = new;
        self.database.reconfigure(&self.config);
        true
    }
}

/// The work that a database has to do beside the loop; it does not end.
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

/// Remote VTEPs that packets can't be sent to.
fn unreachable(underlay: &Snapshot) -> BTreeSet<IpAddr> {
    let hops = underlay.hops.iter();
    hops.filter(|(_, hop)| matches!(hop, Resolution::Unresolved(_))).map(|(remote, _)| *remote).collect()
}

fn settings(config: &Config) -> Settings {
    Settings {
        udp_port: config.gateway.udp_port,
        fdb_size: config.gateway.fdb_size,
        trace: tracing::enabled!(target: KERNEL_LOG, tracing::Level::TRACE),
    }
}

/// Passes on what the programs in the kernel have logged; without such a log it never ends.
async fn read_log<T: Log>(log: Option<&mut AsyncFd<EbpfLogger<T>>>) -> io::Result<()> {
    let Some(log) = log else { return std::future::pending().await };
    let mut ready = log.readable_mut().await?;
    ready.get_inner_mut().flush();
    ready.clear_ready();
    Ok(())
}

fn wanted(config: &Config, rows: &Rows) -> Wanted {
    let names = |interfaces: &[crate::config::Interface]| -> BTreeSet<String> {
        interfaces.iter().map(|interface| interface.name.clone()).collect()
    };
    Wanted {
        remotes: plan::remotes(rows),
        uplinks: names(&config.uplinks),
        ports: names(&config.ports),
        vteps: config.vteps().collect(),
    }
}

fn sweeps(config: &Config) -> tokio::time::Interval {
    let mut sweeps = interval(sweep_interval(config));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweeps
}

fn on_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AgentError> {
    signal(kind).map_err(|error| AgentError::io("watching for signals", error))
}
