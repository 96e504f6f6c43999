//! Errors that end the agent.

use std::io;

use gateway_config::{ConfigError, KeyError};
use gateway_datapath::{
    attach::AttachError, filter_news::FilterNewsError, load::LoadError, maps::MapsError, preflight::PreflightError,
};
use gateway_ha::{HaError, LeasesError};
use gateway_netdev::{nic::NicError, underlay::UnderlayError};
use gateway_sources::OpenError;
use nix::errno::Errno;

use crate::{ctl::CtlError, process_lock::ProcessLockError};

/// Error that ended the agent, or kept it from starting.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each wraps the error of the part it is named after")]
pub enum AgentError {
    #[error("{0}")]
    NotStarted(Box<AgentError>),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    #[error(transparent)]
    ProcessLock(#[from] ProcessLockError),
    #[error(transparent)]
    Nic(#[from] NicError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Filters(#[from] FilterNewsError),
    #[error(transparent)]
    Maps(#[from] MapsError),
    #[error(transparent)]
    Underlay(#[from] UnderlayError),
    #[error(transparent)]
    Control(#[from] CtlError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Ha(#[from] HaError),
    #[error(transparent)]
    Leases(#[from] LeasesError),
    #[error("the thread of the virtual routers has ended, which it should not; start the agent again")]
    HaEnded,
    #[error("the conversation with other nodes has ended, which it should not; start the agent again")]
    StateSyncEnded,
    #[error("the tracking of the underlay has ended, which it should not; start the agent again")]
    UnderlayEnded,
    #[error("the control socket has ended, which it should not; start the agent again")]
    ControlEnded,
    #[error("the work on the database has ended, which it should not; start the agent again")]
    DatabaseEnded,
    #[error("there are too many MACs for one text: see `vtep-gateway show macs`, which takes them page by page")]
    TooManyMacs,
    #[error("there is no logical switch {word}{meant}")]
    NoSwitch { word: String, meant: String },
    #[error("reading the clock: {0}")]
    Clock(#[from] Errno),
    #[error("{doing}: {reason}")]
    Io { doing: &'static str, reason: io::Error },
}

impl AgentError {
    /// Returns the exit code of the process: 2 if the configuration is wrong, so that a second try does not help.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotStarted(error) => error.exit_code(),
            Self::Attach(error) if error.is_no_xdp() => 2,
            _ => 1,
        }
    }

    pub(super) fn io(doing: &'static str, reason: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Io { doing, reason: io::Error::other(reason) }
    }
}

/// Error of a reload: the agent goes on with the configuration that it has.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The file can't be read, or has errors.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys can't be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Something has changed that only a start applies.
    #[error("these need a restart: {0}")]
    NeedsRestart(String),
}
