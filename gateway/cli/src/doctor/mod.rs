//! `doctor`: what keeps a gateway from working, or from working well, and what to do about it.
//!
//! ```text
//!   ask (kernel, NICs, underlay, nodes, database, agent) ──facts──▶ judges ──findings──▶ report: text or JSON
//! ```
//!
//! `ask` holds all that looks at the system; each look has a deadline, and none changes anything. The judges, one file for
//! each subject, are pure: facts in, findings out. Every finding belongs to a [`Check`], whose name, group and reason are
//! defined once, in `check`, and held against `docs/FAULTS.md` by a test. `report` prints.
//!
//! A judge finds *unknown* what could not be seen; that is never held against the gateway.

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
