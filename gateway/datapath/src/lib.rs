//! The data plane of the agent, and the only writer of its maps.
//!
//! [`desired`] describes desired forwarding in terms of places and ends. [`programmed`] mirrors the content of the
//! maps, which is read back at start; [`static_macs`] holds its many MACs. [`diff`] turns both into operations ([`op`]),
//! additions before removals. A [`change`] of the [`maps`] carries them out, those of one kind in batches. [`load`]
//! loads programs and maps into the kernel, or adopts existing maps. [`attach`] attaches programs to interfaces and
//! checks that they stay attached. [`learned`] limits the MACs that the kernel learns. [`capture_programs`] loads the
//! programs of trace and capture. [`losses`] counts the packets that the kernel loses after a redirect.

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
mod static_macs;
pub mod sys;
pub mod trace;

pub use desired::{Desired, Place};
pub use maps::Maps;
pub use programmed::Programmed;
pub use static_macs::StaticMacs;
