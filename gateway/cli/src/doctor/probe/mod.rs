//! Probes of the system. Each has a deadline and changes nothing.

pub(super) mod adverts;
pub(super) mod agent;
pub(super) mod claims;
pub(super) mod counters;
pub(super) mod database;
pub(super) mod echo;
pub(super) mod host;
pub(super) mod kernel;
pub(super) mod nics;
pub(super) mod underlay;
