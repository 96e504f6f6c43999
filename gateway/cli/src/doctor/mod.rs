//! `doctor`: finds problems of a gateway and its environment, and suggests remedies.
//!
//! ```text
//!   probe (kernel, NICs, underlay, nodes, database, agent) ──facts──▶ evaluate ──findings──▶ report: text or JSON
//! ```
//!
//! `probe` contains everything that reads from the system; each probe has a deadline, and none changes anything. The
//! evaluating modules, one for each subject, are pure: facts in, findings out. Every finding belongs to a [`Check`],
//! whose name, group and reason are defined once, in `check`; a test compares them with `docs/FAULTS.md`. `report`
//! formats the output.
//!
//! A check is *unknown* if its facts could not be read; this never counts against the gateway.

mod agent;
mod certificate;
mod check;
mod database;
mod finding;
mod host;
mod kernel;
mod nics;
mod nodes;
mod ovn;
mod probe;
mod probe_error;
mod report;
mod run;
mod tunnels;
mod wrap;

pub use check::{Check, Group};
pub use finding::{Finding, Mark};
pub use report::{SCHEMA, json, text, verdict};
pub use run::{Options, examine};

#[cfg(test)]
mod reference_tests;
