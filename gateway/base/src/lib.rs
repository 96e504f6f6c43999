//! Common parts that the other crates of the gateway build on.
//!
//! This crate has no knowledge of packets, databases or configuration.

pub mod backoff;
pub mod causes;
mod cleared;
pub mod clock;
pub mod interner;
pub mod json_framing;
pub mod log;
pub mod memory;
pub mod suggest;
pub mod suspension;
pub mod token_bucket;

pub use cleared::Cleared;
