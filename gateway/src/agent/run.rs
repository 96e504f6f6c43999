//! The loop.

use std::{collections::BTreeSet, io, path::Path, sync::Arc};

use gateway_common::event::LearnEvent;
use nix::errno::Errno;
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::forwarding::{Forwarding, sweep_interval};
use crate::{
    config::{Config, ConfigError},
    database::{Database, Rows, StaticDatabase},
    datapath::{
        Maps,
        attach::{AttachError, Attacher},
        load::{self, LoadError, Settings},
        maps::MapsError,
        pins::PinDir,
    },
    devices::Devices,
    instance::{Instance, InstanceError},
    nic::{NicError, NicSettings},
    plan,
    preflight::{PreflightError, preflight},
    underlay::{self, UnderlayError, Wanted},
};

/// Why the agent stopped, or did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each wraps the error of the part it is named after")]
pub enum AgentError {
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error(transparent)]
    Nic(#[from] NicError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Maps(#[from] MapsError),
    #[error(transparent)]
    Underlay(#[from] UnderlayError),
    #[error("reading the clock: {0}")]
    Clock(#[from] Errno),
    #[error("{doing}: {reason}")]
    Io { doing: &'static str, reason: io::Error },
}

/// Runs until SIGTERM or SIGINT. The data plane goes on forwarding after that. `path` is read again on SIGHUP.
///
/// # Errors
/// What keeps the agent from running. Nothing is attached then that was not before.
pub async fn run(path: &Path, mut config: Config) -> Result<(), AgentError> {
    preflight(&config)?;
    let _instance = Instance::acquire(&config.gateway.run_dir)?;
    let mut hangup = on_signal(SignalKind::hangup())?;
    let mut terminate = on_signal(SignalKind::terminate())?;
    let mut interrupt = on_signal(SignalKind::interrupt())?;

    let mut database: Box<dyn Database> = Box::new(StaticDatabase::new(&config));
    let mut rows = database.rows();
    let wanted = watch::Sender::new(Arc::new(wanted(&config, &rows.borrow())));
    let (follower, mut snapshots) = underlay::open(wanted.subscribe()).await?;
    let mut following = std::pin::pin!(follower.run());

    let pins = PinDir::new(&config.gateway.pin_dir);
    let settings = Settings { udp_port: config.gateway.udp_port, fdb_size: config.gateway.fdb_size };
    let nic = NicSettings::open(&config.gateway.run_dir)?;
    let devices = Devices::new(Attacher::new(pins.clone()), nic);
    let loaded = load::load(&pins, settings)?;
    let (now, underlay) = (Arc::clone(&rows.borrow_and_update()), Arc::clone(&snapshots.borrow_and_update()));
    let mut forwarding = Forwarding::start(loaded, devices, &config, &now, &underlay)?;

    let events = Maps::open_events(&pins)?;
    // SAFETY: the ring buffer owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
    let mut events = unsafe { AsyncFd::register(events) }
        .map_err(|error| AgentError::Io { doing: "watching map events", reason: error.into() })?;
    let mut sweeps = sweeps(&config);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => if let Some(new) = reload(path, &config) {
                config = new;
                database.reconfigure(&config);
                sweeps = self::sweeps(&config);
                let rows = Arc::clone(&rows.borrow_and_update());
                wanted.send_replace(Arc::new(self::wanted(&config, &rows)));
                let underlay = Arc::clone(&snapshots.borrow());
                forwarding.update(&config, &rows, &underlay)?;
                tracing::info!("reloaded {}", path.display());
            },
            Ok(()) = rows.changed() => {
                let rows = Arc::clone(&rows.borrow_and_update());
                wanted.send_replace(Arc::new(self::wanted(&config, &rows)));
                let underlay = Arc::clone(&snapshots.borrow());
                forwarding.update(&config, &rows, &underlay)?;
            },
            Ok(()) = snapshots.changed() => {
                let underlay = Arc::clone(&snapshots.borrow_and_update());
                let rows = Arc::clone(&rows.borrow());
                forwarding.update(&config, &rows, &underlay)?;
            },
            _ = sweeps.tick() => {
                let (rows, underlay) = (Arc::clone(&rows.borrow()), Arc::clone(&snapshots.borrow()));
                forwarding.sweep(&config, &rows, &underlay)?;
            },
            ready = events.readable_mut() => {
                let mut ready = ready.map_err(|reason| AgentError::Io { doing: "reading map events", reason })?;
                while let Some(item) = ready.get_inner_mut().next() {
                    if let Ok(event) = bytemuck::try_pod_read_unaligned::<LearnEvent>(&item) {
                        forwarding.learned(&event);
                    }
                }
                ready.clear_ready();
            },
            ended = &mut following => ended?,
        }
    }
    tracing::info!("stopping; the data plane goes on forwarding (vtep-gateway detach takes it down)");
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
        vteps: config.gateway.vteps.iter().collect(),
    }
}

/// The configuration as it is in the file now, if a running agent can take it over.
fn reload(path: &Path, config: &Config) -> Option<Config> {
    let new = match Config::load(path) {
        Ok(new) => new,
        Err(error) => {
            log_refusal(&error);
            return None;
        }
    };
    let restart = config.changes_needing_restart(&new);
    if restart.is_empty() {
        return Some(new);
    }
    tracing::error!("reload refused, the agent goes on as before: these need a restart: {}", restart.join(", "));
    None
}

fn log_refusal(error: &ConfigError) {
    tracing::error!("reload refused, the agent goes on as before: {error}");
}

fn sweeps(config: &Config) -> tokio::time::Interval {
    let mut sweeps = interval(sweep_interval(config));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweeps
}

fn on_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AgentError> {
    signal(kind).map_err(|reason| AgentError::Io { doing: "watching for signals", reason })
}
