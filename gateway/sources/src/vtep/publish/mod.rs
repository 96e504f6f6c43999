//! Publishes the stations behind this gateway in `Ucast_Macs_Local` and `Mcast_Macs_Local`.
//!
//! [`Publisher`] holds what may differ from the tables. A comparison (`compare`) finds the differences: `learned` has the
//! wanted stations, `owner` recognises the rows of this gateway, and `address_limit` limits the writes of addresses.
//! `batch` builds the transaction that resolves the differences.

mod address_limit;
mod batch;
mod compare;
mod learned;
mod owner;
mod publisher;

pub use compare::View;
pub use learned::LocalMac;
pub use publisher::Publisher;
