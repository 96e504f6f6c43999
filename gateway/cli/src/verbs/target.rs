//! Target of a verb: the agent and its data plane, found without a valid configuration file.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use gateway_api::{
    ctl,
    view::{InterfaceRole, Status},
};
use gateway_config as config;
use gateway_config::{Config, ConfigError, DEFAULT_RUN_DIR};
use gateway_datapath::{load::Settings, pins::PinDir};

use crate::options::{AgentOption, DEFAULT_CONFIG};

/// Timeout of the request to the agent, after which its configuration file is read instead.
const ANSWER: Duration = Duration::from_secs(2);

/// Agent that a verb is for.
pub(crate) struct Target {
    /// Its control socket.
    pub(crate) socket: PathBuf,
    /// Its configuration file.
    pub(crate) file: PathBuf,
}

impl Target {
    /// Returns the agent that the command line names.
    ///
    /// # Errors
    /// The named file cannot be read. Falling back to the default could end another agent after a typing error.
    pub(crate) fn of(option: &AgentOption) -> Result<Self, ConfigError> {
        let file = option.file.config.clone();
        let socket = match &option.socket {
            Some(directory) if directory.is_dir() => ctl::path(directory),
            Some(socket) => socket.clone(),
            None => match config::run_dir(&file) {
                Ok(directory) => ctl::path(&directory),
                Err(_) if file == Path::new(DEFAULT_CONFIG) => ctl::path(Path::new(DEFAULT_RUN_DIR)),
                Err(error) => return Err(error),
            },
        };
        Ok(Self { socket, file })
    }
}

/// Data plane settings of a gateway.
pub(crate) struct Gateway {
    /// Its uplinks, by name.
    pub(crate) uplinks: Vec<String>,
    /// Its access ports, by name.
    pub(crate) ports: Vec<String>,
    /// Its tunnel addresses.
    pub(crate) vteps: Vec<IpAddr>,
    /// UDP port of VXLAN.
    pub(crate) udp_port: u16,
    /// Directory of its pinned maps.
    pub(crate) pins: PinDir,
    /// Settings that its programs are loaded with.
    pub(crate) settings: Settings,
    /// Source of these values.
    pub(crate) source: String,
}

impl Gateway {
    /// Returns the values of the running agent or, if it does not reply, of its configuration file.
    ///
    /// # Errors
    /// The agent does not reply, and the file is not valid.
    pub(crate) fn find(target: &Target) -> Result<Self, ConfigError> {
        match Self::running(&target.socket) {
            Some(running) => Ok(running),
            None => Ok(Self::configured(&Config::load(&target.file)?, &target.file)),
        }
    }

    /// Returns the values of the agent behind `socket`.
    pub(crate) fn running(socket: &Path) -> Option<Self> {
        let status: Status = serde_json::from_str(&ctl::call(socket, "status", &["json"], ANSWER).ok()?).ok()?;
        let named = |role| {
            let those = status.interfaces.iter().filter(move |one| one.role == role);
            those.map(|one| one.name.clone()).collect()
        };
        let fdb_size = u32::try_from(status.forwarding.fdb_size).ok()?;
        Some(Self {
            uplinks: named(InterfaceRole::Uplink),
            ports: named(InterfaceRole::Port),
            vteps: status.vteps.clone(),
            udp_port: status.udp_port?,
            pins: PinDir::new(status.pin_dir.as_ref()?),
            settings: Settings { udp_port: status.udp_port?, fdb_size, trace: false },
            source: "the running agent".to_owned(),
        })
    }

    /// Copies the values into a configuration that is invalid as a whole and has none.
    pub(crate) fn fill(self, config: &mut Config) {
        let interface =
            |name: String| config::Interface { name, mode: config::Mode::Auto, track: config::Track::Ignore };
        config.uplinks = self.uplinks.into_iter().map(interface).collect();
        config.ports = self.ports.into_iter().map(interface).collect();
        config.gateway.pin_dir = self.pins.root().to_owned();
        config.gateway.udp_port = self.udp_port;
    }

    fn configured(config: &Config, file: &Path) -> Self {
        let names = |all: &[config::Interface]| all.iter().map(|one| one.name.clone()).collect();
        let udp_port = config.gateway.udp_port;
        Self {
            uplinks: names(&config.uplinks),
            ports: names(&config.ports),
            vteps: config.vteps().collect(),
            udp_port,
            pins: PinDir::new(&config.gateway.pin_dir),
            settings: Settings { udp_port, fdb_size: config.gateway.fdb_size, trace: false },
            source: file.display().to_string(),
        }
    }
}
