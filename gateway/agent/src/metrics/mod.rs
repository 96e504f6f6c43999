//! What monitoring reads over HTTP: metrics for Prometheus, and whether the agent is alive and ready.
//!
//! Whoever scrapes must not be able to slow the gateway down. So the server has a thread of its own, [`exporter`], and
//! asks the agent's loop for a new set of measurements ([`measured`]) only when somebody wants one and the last is a
//! second old; a thousand scrapes a second cost the loop one. What a client may cost the server is bounded ([`server`]).
//!
//! [`families`] is the list of all metrics: one definition gives the exposition ([`exposition`], in the form that is
//! asked for, [`negotiate`]) and the reference in `docs/METRICS.md`. [`http`] answers, [`process`] looks at the process.

mod exporter;
mod exposition;
mod families;
mod http;
pub mod measured;
mod negotiate;
mod process;
pub mod server;

pub use exporter::{Exporter, Readiness};
pub use measured::Measured;
