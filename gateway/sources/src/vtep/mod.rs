//! The `hardware_vtep` database: maps its rows to forwarding, and writes the rows of this gateway.
//!
//! No module here uses sockets or clocks.
//!
//! Reading: [`VtepDecoder`] decodes the rows of the OVSDB client into typed [`rows`]. [`Mirror`] keeps them, with
//! indices from one to another, and returns the rows that a change touches. [`Mapping`] updates
//! [`database::Rows`](gateway_config::rows::Rows) from that, and [`Hold`] decides whether forwarding follows at once.
//!
//! Writing: [`register`] reconciles the rows that present this gateway, [`Publisher`] the stations behind it, and
//! [`status`] counters and faults. Each compares the wanted rows with the actual ones and returns operations for the
//! difference, none if there is none. So after a failed transaction, the next comparison finds the rest. [`Engine`]
//! combines all of these: input is events and the time, output is rows and transactions.

mod binding_log;
mod bindings;
mod conflicts;
pub mod decode;
mod engine;
mod fault;
mod hold;
mod identity;
mod locking;
mod mapping;
mod mirror;
mod outage;
mod pace;
mod problem;
mod publish;
mod register;
pub mod rows;
mod schedule;
mod status;
pub mod tables;
mod ucast;

#[cfg(test)]
mod tests;

pub use decode::VtepDecoder;
pub use engine::{Engine, LogLine, Settings, Status};
pub use fault::{Fault, Faults};
pub use hold::{Hold, HoldState, HoldTimes, Notice, Standing};
pub use identity::Identity;
pub use locking::LockState;
pub use mapping::Mapping;
pub use mirror::{Mirror, Touched, Unreadable};
pub use problem::Problem;
pub use publish::{LocalMac, Publisher, View};
pub use register::{Own, Registration, register};
pub use rows::Station;
pub use status::{TrafficByBinding, report_faults, report_traffic};
pub use tables::{DATABASE, tables};
