//! What the gateway is told to do.
//!
//! A database says which logical switches there are, what is bound to them and where their stations are. Each kind of
//! database delivers the same typed [`rows`]; what comes after does not know which kind it was. The embedded one, called
//! static, takes its rows from the configuration file ([`crate::config`]).

pub mod rows;
pub(crate) mod static_rows;

pub use rows::{Location, LogicalSwitch, Remote, Rows};
