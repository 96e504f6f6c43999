//! The data plane as the agent sees it, and the only place that writes its maps.
//!
//! [`desired`] says what forwarding should be, in terms of places and ends. [`programmed`] mirrors what the maps hold,
//! read back from them at start, the many MACs as [`given`]. [`diff`] turns the two into operations ([`op`]), new things
//! before the removal of old ones, and a [`change`] of the [`maps`] carries them out, many of one kind in a batch.
//! [`load`] brings programs and maps into the kernel or adopts those that are there,
//! [`attach`] ties programs to interfaces and looks whether they still are, [`learned`] keeps what the kernel learns in bounds.
//! [`capture_programs`] loads the programs of trace and capture, [`losses`] has those counted that the kernel loses after a redirect.

pub mod attach;
mod batch;
mod btf;
pub mod capture;
pub mod capture_programs;
pub mod catalogue;
mod change;
pub mod claim;
mod cpus;
pub mod desired;
pub mod diff;
mod filter;
pub mod filter_news;
#[cfg(test)]
mod fixtures;
mod generation;
mod given;
pub mod kept;
pub mod learned;
pub mod load;
pub mod losses;
mod map_batch;
pub mod maps;
pub mod op;
pub mod packet;
pub mod pins;
pub mod plan;
pub mod preflight;
mod programmed;
pub mod sys;
pub mod trace;

pub use desired::{Desired, Place};
pub use given::Given;
pub use maps::Maps;
pub use programmed::Programmed;
