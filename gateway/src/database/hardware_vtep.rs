//! The database `hardware_vtep` of an OVSDB server, which a controller fills.
//!
//! A task of its own follows the server, so the agent's loop is never kept waiting; the two talk through channels.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{mpsc, watch};

use super::{
    Database,
    follower::{Follower, Told},
    rows::Rows,
};
use crate::{
    config::{Config, DatabaseConfig},
    ovsdb::{self, Options, OptionsError},
    vtep::{self, Identity, LocalMac, TrafficByBinding, VtepDecoder},
};

/// Why the database can't be followed at all. A server that can't be reached is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum HardwareVtepError {
    /// The configuration makes no sense.
    #[error("database: {0}")]
    Options(#[from] OptionsError),
    /// This gateway needs a name.
    #[error("database.switch is not set, and the name of this machine can't be read: {0}")]
    HostName(#[from] nix::errno::Errno),
}

/// A handle on the task that follows the database; the task ends with it.
#[derive(Debug)]
pub struct HardwareVtep {
    rows: watch::Receiver<Arc<Rows>>,
    known: Arc<AtomicBool>,
    tell: mpsc::UnboundedSender<Told>,
}

impl HardwareVtep {
    /// Starts following the database that `config` names.
    ///
    /// # Errors
    /// See [`HardwareVtepError`].
    pub fn open(config: &Config, database: &DatabaseConfig) -> Result<Self, HardwareVtepError> {
        let options = Options {
            remotes: database.remotes.clone(),
            database: vtep::DATABASE.to_owned(),
            tables: vtep::tables(),
            leader_only: true,
            probe: database.inactivity_probe,
            tls: database.tls.clone(),
        };
        let (client, events, driver) = ovsdb::open(options, VtepDecoder)?;
        let (sender, rows) = watch::channel(Arc::default());
        let known = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::unbounded_channel();
        let identity = identity(config, database)?;
        let follower = Follower::new(client, identity, database, sender, Arc::clone(&known));
        tokio::spawn(driver);
        tokio::spawn(follower.run(events, told));
        Ok(Self { rows, known, tell })
    }

    fn tell(&self, what: Told) {
        // The task only ends when this handle does.
        let _ = self.tell.send(what);
    }
}

impl Database for HardwareVtep {
    fn rows(&self) -> watch::Receiver<Arc<Rows>> {
        self.rows.clone()
    }

    fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    fn reconfigure(&mut self, config: &Config) {
        let Some(database) = &config.database else { return };
        match identity(config, database) {
            Ok(identity) => self.tell(Told::Configuration(Box::new((identity, database.clone())))),
            Err(error) => tracing::error!("{error}"),
        }
    }

    fn publish(&mut self, stations: BTreeSet<LocalMac>) {
        self.tell(Told::Stations(stations));
    }

    fn report_traffic(&mut self, traffic: TrafficByBinding) {
        self.tell(Told::Traffic(traffic));
    }

    fn report_unreachable(&mut self, remotes: BTreeSet<IpAddr>) {
        self.tell(Told::Unreachable(remotes));
    }
}

fn identity(config: &Config, database: &DatabaseConfig) -> Result<Identity, nix::errno::Errno> {
    let name = match &database.switch {
        Some(name) => name.clone(),
        None => nix::unistd::gethostname()?.to_string_lossy().into_owned(),
    };
    Ok(Identity {
        name,
        tunnel_ips: config.gateway.vteps.iter().collect(),
        management_ips: database.management_ips.clone(),
        description: database.description.clone(),
        ports: config.ports.iter().map(|port| port.name.clone()).collect(),
    })
}
