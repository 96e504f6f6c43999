//! Databases that define the forwarding of the gateway.
//!
//! A database defines the logical switches, their bindings and the locations of their stations. Each kind of database
//! delivers the same typed [`rows`] through [`Database`], so that the rest of the gateway does not depend on the kind.
//! The embedded one, [`StaticDatabase`], takes its rows from the configuration file ([`gateway_config`]).
//! [`HardwareVtep`] follows an OVSDB database that cloud controllers fill.

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

/// Source of rows.
pub trait Database {
    /// Returns the rows, with a notification of every change. The received rows are always complete, never a part of a
    /// change.
    fn rows(&self) -> watch::Receiver<Arc<Rows>>;

    /// Returns false until there have been rows, that is, until the database was reached. Until then the forwarding
    /// that an earlier run has programmed stays.
    fn is_known(&self) -> bool {
        true
    }

    /// Returns the state of the connection, with a notification of every change.
    fn reached(&self) -> watch::Receiver<bool> {
        watch::channel(true).1
    }

    /// Sets whether this node is the active one for an instance. A node that is not active does not write to a database
    /// that the nodes share.
    fn set_role(&self, _instance: usize, _active: bool) {}

    /// Returns the state of the database, for operators and programs.
    fn view(&self) -> view::Database {
        view::Database::Static
    }

    /// Returns the time at which data last came from a server of the database, as time since the zero of the wall
    /// clock. If there is a database for each instance, it is that of `instance`. `None` if nothing ever came, or if
    /// there is no server.
    fn last_received(&self, _instance: Option<&str>) -> Option<Duration> {
        None
    }

    /// Applies a configuration that was read again.
    fn reconfigure(&self, config: &Config);

    /// Publishes changes of the stations learned behind access ports. The first change is [`Local::All`].
    fn publish(&self, _changes: Vec<Local>) {}

    /// Reports the traffic counters of each binding.
    fn report_traffic(&self, _traffic: TrafficByBinding) {}

    /// Reports entries that could not be programmed because a table is full.
    fn report_faults(&self, _faults: &BTreeSet<Fault>) {}

    /// Sets the remote VTEPs that can't be reached. None of them is chosen as a service node if there is another.
    fn set_unreachable(&self, _remotes: BTreeSet<IpAddr>) {}
}
