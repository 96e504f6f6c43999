//! The `hardware_vtep` database: what its rows mean to this gateway, and what the gateway writes there.
//!
//! Nothing here knows of sockets or clocks. [`VtepDecoder`] makes typed [`rows`] of what the OVSDB client tells;
//! [`Mirror`] keeps them, with the ways from one to another, and says what a change touches; [`Mapping`] brings
//! [`database::Rows`](gateway_config::rows::Rows) up to date from that, and [`Hold`] decides whether forwarding follows at once.
//! The other way, [`register`] sees to the rows that present this gateway, [`Publisher`] to the stations behind it, and
//! [`status`] to counters and faults: each looks at what should be there and what is, and gives operations for the
//! difference, none if there is none. So whatever happens to a transaction, the next look finds what is left to do.
//! [`Engine`] puts all of it together: events and the time in, rows and transactions out.

mod bindings;
mod contest;
pub mod decode;
mod diary;
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
mod status;
pub mod tables;
mod ucast;

#[cfg(test)]
mod tests;

pub use decode::VtepDecoder;
pub use engine::{Engine, Said, Settings, Status};
pub use fault::{Fault, Faults};
pub use hold::{Hold, HoldState, HoldTimes, Notice, Standing};
pub use identity::Identity;
pub use locking::LockState;
pub use mapping::Mapping;
pub use mirror::{Mirror, Station, Touched, Unreadable};
pub use problem::Problem;
pub use publish::{LocalMac, Publisher, View};
pub use register::{Own, Registration, register};
pub use status::{TrafficByBinding, report_faults, report_traffic};
pub use tables::{DATABASE, tables};
