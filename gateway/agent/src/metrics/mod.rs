//! Endpoints for monitoring over HTTP: metrics for Prometheus, liveness and readiness.
//!
//! A client that scrapes must not slow the gateway down. So the server has a thread of its own, [`exporter`]. It
//! requests new measurements ([`measured`]) from the agent's loop only if a client wants some and the last ones are a
//! second old. A thousand scrapes a second cost the loop one measurement. The cost of a client for the server is
//! bounded ([`server`]). [`shared`] is what both sides see.
//!
//! [`families`] is the list of all metrics. One definition gives the exposition ([`exposition`], in the format that
//! [`negotiate`] selects, by [`sink`] from a [`scrape`]) and the reference in `docs/METRICS.md`. [`http`] answers requests, [`process`] reads the
//! state of the process.

mod exporter;
mod exposition;
mod families;
mod http;
pub mod measured;
mod negotiate;
mod process;
mod scrape;
pub mod server;
mod shared;
mod sink;

pub use exporter::{Exporter, ScrapeRequests};
pub use measured::Measured;
pub use shared::Readiness;
