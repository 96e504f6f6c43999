//! What the gateway is told to do.
//!
//! A database says which logical switches there are, what is bound to them and where their stations are. Each kind of
//! database delivers the same typed [`rows`] through [`Database`]; what comes after does not know which kind it was. The
//! embedded one, [`StaticDatabase`], takes its rows from the configuration file ([`crate::config`]); [`HardwareVtep`] follows
//! one of the kind that controllers of clouds fill.

use std::sync::Arc;

use tokio::sync::watch;

mod hardware_vtep;
mod macs;
pub mod rows;
mod static_database;
pub(crate) mod static_rows;

pub use hardware_vtep::{HardwareVtep, Local, OpenError};
pub use macs::Macs;
pub use rows::{Location, LogicalSwitch, Remote, Rows};
pub use static_database::StaticDatabase;

use crate::config::Config;

/// Where rows come from.
pub trait Database {
    /// The rows, and word of every change. What is received is whole: never half of a change.
    fn rows(&self) -> watch::Receiver<Arc<Rows>>;

    /// Takes over a configuration that was read again.
    fn reconfigure(&mut self, config: &Config);
}
