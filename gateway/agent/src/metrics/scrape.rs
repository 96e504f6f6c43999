//! Input of an exposition.

use std::{sync::Arc, time::Duration};

use super::{measured::Measured, process::Process};

/// Input of one exposition.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrape {
    pub(super) measured: Arc<Measured>,
    /// Age of the measurements.
    pub(super) age: Duration,
    pub(super) process: Process,
    pub(super) server: Served,
}

/// Counters of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Served {
    pub(super) requests: u64,
    /// Connections closed because newer clients came, or because a client took too long.
    pub(super) hung_up: u64,
}
