//! Log of the programs in the kernel, at level trace.

use std::{future::pending, io};

use aya::Ebpf;
use aya_log::EbpfLogger;
use tokio::io::unix::AsyncFd;

use super::error::AgentError;

/// Log target of the programs in the kernel.
const TARGET: &str = "vtep_gateway_ebpf";

/// Returns true if the programs are to log.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::TRACE)
}

/// Log of the programs, if they log.
pub(super) struct KernelLog(Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>>);

impl KernelLog {
    /// Opens the log, if it is wanted.
    pub(super) fn open(ebpf: &mut Ebpf) -> Result<Self, AgentError> {
        if !is_wanted() {
            return Ok(Self(None));
        }
        let logger = EbpfLogger::init(ebpf).map_err(|error| AgentError::io("reading the kernel's log", error))?;
        // SAFETY: the logger owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
        let logger = unsafe { AsyncFd::register(logger) };
        Ok(Self(Some(logger.map_err(|error| AgentError::io("watching the kernel's log", error))?)))
    }

    /// Forwards lines to the agent's log. Ends only with an error. Never ends if the programs do not log. Cancel safe.
    pub(super) async fn forward(&mut self) -> io::Error {
        let Some(logger) = &mut self.0 else { return pending().await };
        loop {
            match logger.readable_mut().await {
                Ok(mut ready) => {
                    ready.get_inner_mut().flush();
                    ready.clear_ready();
                }
                Err(error) => return error,
            }
        }
    }
}
