//! Options that several verbs have.

use std::path::PathBuf;

use clap::Args;

/// Default path of the configuration file.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/vtep-gateway/gateway.toml";

/// Configuration that a verb is for.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ConfigOption {
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "VTEP_GATEWAY_CONFIG", hide_env_values = true, default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
}

/// Agent that a verb is for.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct AgentOption {
    /// Control socket of the agent, or its run directory; without it, gateway.run_dir of the
    /// configuration file, even if that file is not valid.
    #[arg(short = 't', long, value_name = "SOCKET")]
    pub socket: Option<PathBuf>,
    /// Its configuration.
    #[command(flatten)]
    pub file: ConfigOption,
}
