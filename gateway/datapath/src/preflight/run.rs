//! Runs the checks: facts in, verdict out.

use std::io;

use gateway_config::Config;
use thiserror::Error;

use super::{
    bpffs,
    checks::{self, Failure},
    facts::Facts,
};

/// Error of the checks before attaching.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The system did not answer.
    #[error("cannot ask the system about itself: {0}; are /proc and /sys mounted?")]
    Facts(#[from] io::Error),
    /// The failures, a line for each.
    #[error("{}", lines(.0))]
    Failures(Vec<Failure>),
}

fn lines(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Checks that `config` can run on this system. Mounts the BPF file system if it is missing and everything else is
/// fine. Logs the warnings.
///
/// # Errors
/// All failures.
pub fn preflight(config: &Config) -> Result<(), PreflightError> {
    let facts = Facts::gather()?;
    for warning in checks::warnings(&facts) {
        tracing::warn!("{warning}");
    }
    let failures = checks::failures(&facts, config);
    if !failures.is_empty() {
        return Err(PreflightError::Failures(failures));
    }
    bpffs::ensure(&config.gateway.pin_dir).map_err(|failure| PreflightError::Failures(vec![failure]))
}
