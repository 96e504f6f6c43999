//! What the gateway is told to do.
//!
//! A database says which logical switches there are, what is bound to them and where their stations are. Each kind of
//! database delivers the same typed [`rows`] through [`Database`]; what comes after does not know which kind it was. The
//! embedded one, [`StaticDatabase`], takes its rows from the configuration file ([`gateway_config`]); [`HardwareVtep`] follows
//! one of the kind that controllers of clouds fill.

#![forbid(unsafe_code)]

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::watch;

mod hardware_vtep;
mod several;
mod static_database;
pub mod vtep;

pub use hardware_vtep::{HardwareVtep, Local, OpenError};
pub use several::Several;
pub use static_database::StaticDatabase;

use gateway_api::view;
use gateway_config::{Config, rows::Rows};

use crate::vtep::{Fault, TrafficByBinding};

/// Where rows come from.
pub trait Database {
    /// The rows, and word of every change. What is received is whole: never half of a change.
    fn rows(&self) -> watch::Receiver<Arc<Rows>>;

    /// False until there have been rows: the database was not reached yet. What an earlier run has programmed stays
    /// meanwhile.
    fn is_known(&self) -> bool {
        true
    }

    /// Whether there is a connection to it, and word of every change.
    fn reached(&self) -> watch::Receiver<bool> {
        watch::channel(true).1
    }

    /// Takes note of whether this node is the one of several that speaks for an instance. Where it is not, a database that
    /// they share is not written to.
    fn role(&mut self, _instance: usize, _active: bool) {}

    /// How things stand with it, for people and programs.
    fn describe(&self) -> view::Database {
        view::Database::Static
    }

    /// When something last came from a server of it, of those for `instance` where there are several, as time since the zero
    /// of the wall clock. Nothing where nothing ever did, or there is no server.
    fn heard(&self, _instance: Option<&str>) -> Option<Duration> {
        None
    }

    /// Takes over a configuration that was read again.
    fn reconfigure(&mut self, config: &Config);

    /// Takes note of what has changed of the stations learned behind access ports. The first change is [`Local::All`].
    fn learned(&mut self, _changes: Vec<Local>) {}

    /// Takes note of how much each binding has carried so far.
    fn carried(&mut self, _traffic: TrafficByBinding) {}

    /// Takes note of what could not be programmed for want of room.
    fn faults(&mut self, _faults: &BTreeSet<Fault>) {}

    /// Takes note of the remote VTEPs that can't be reached.
    fn unreachable(&mut self, _remotes: BTreeSet<IpAddr>) {}
}
