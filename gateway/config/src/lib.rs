//! The configuration file.
//!
//! Loading takes three steps from text to [`Config`]. First, `load` reads the file. Then the TOML parser and serde give
//! it a shape (`raw`; `shape` reports the errors of this step). Last, each value is checked and converted to a type
//! that cannot hold an invalid one (`gateway_section`, `interfaces`, `database_section`, and `switch_section` for the
//! logical switches; `values` checks single values). `keys` reads the keys for authentication from their files. A
//! `report` collects all errors with their place in the file, so that the operator sees all of them at once.

#![forbid(unsafe_code)]

mod auth;
mod auth_section;
mod database_section;
mod field_path;
#[cfg(fuzzing)]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
mod gateway_section;
mod interfaces;
mod invalid;
mod key_files;
mod keys;
mod lenient;
mod load;
pub mod macs;
mod metrics_section;
mod raw;
mod report;
mod restart;
pub mod rows;
mod shape;
mod switch_options;
mod switch_section;
mod types;
pub mod values;
mod vrrp_section;

#[cfg(test)]
mod tests;

pub use auth::{AuthConfig, KeySource};
pub use gateway_section::{DEFAULT_RUN_DIR, MAX_FDB};
pub use invalid::Invalid;
pub use key_files::DIRECTORY as CREDENTIALS;
pub use key_files::{KeyFile, KeyFiles, NoCredentials};
pub use keys::KeyError;
pub use lenient::run_dir;
pub use report::{ConfigError, Problem, Problems};
pub use types::{
    AnnounceConfig, Config, DatabaseConfig, GatewayConfig, InstanceConfig, Interface, MetricsConfig, Mode,
    SwitchOptions, SyncConfig, Track, VrrpConfig, Vteps,
};
