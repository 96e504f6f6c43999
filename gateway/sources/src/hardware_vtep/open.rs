//! Opens a database: settings and options from the configuration.

use gateway_config::{CREDENTIALS, Config, DatabaseConfig, NoCredentials};
use gateway_ovsdb::{Options, OptionsError};
use nix::errno::Errno;

use crate::vtep::{self, HoldTimes, Identity, Settings};

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
    DefaultHostName(String),
    /// The configured options are invalid.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The configuration refers to a credential, and there are none.
    #[error(transparent)]
    Credentials(#[from] NoCredentials),
}

/// Returns the host name, which is the name of a gateway that is not configured with one.
///
/// # Errors
/// It cannot be read; or the gateway would get a default one.
pub(super) fn host_name(config: &Config, instance: usize) -> Result<String, OpenError> {
    let host = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let named = config.instances.get(instance).is_some_and(|instance| instance.switch.is_some());
    if !named && is_default(&host) {
        return Err(OpenError::DefaultHostName(host));
    }
    Ok(host)
}

/// Returns true for a default host name, which identifies no machine.
fn is_default(host: &str) -> bool {
    let first = host.split('.').next().unwrap_or_default();
    first.is_empty() || ["localhost", "localhost6", "(none)"].iter().any(|name| first.eq_ignore_ascii_case(name))
}

/// Returns the settings of one of the gateway's instances, by index.
pub(super) fn settings(config: &Config, instance: usize, database: &DatabaseConfig, host: &str) -> Settings {
    let configured = config.instances.get(instance);
    let name = configured.and_then(|configured| configured.switch.clone());
    let identity = Identity {
        instance,
        name: name.unwrap_or_else(|| host.to_owned()),
        tunnel_ips: configured.map(|configured| configured.vteps.iter().collect()).unwrap_or_default(),
        management_ips: database.management_ips.clone(),
        description: database.description.clone(),
        ports: config.ports.iter().map(|port| port.name.clone()).collect(),
    };
    let hold = HoldTimes { unreachable: database.hold_time, emptied: database.empty_hold_time };
    Settings { identity, learn_limit: database.learn_limit, hold }
}

/// Returns the options of the connection.
///
/// # Errors
/// The configuration refers to a credential, and there are none.
pub(super) fn options(database: &DatabaseConfig) -> Result<Options, NoCredentials> {
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
