//! A data plane in a namespace of its own: programs loaded, maps filled, nothing attached.
//!
//! An uplink and two access ports, each a veth whose other end is tapped, because what TC replicates really leaves.

mod data_plane;
mod network;
mod outcome;
mod port;
mod test_run;

pub(crate) use data_plane::World;
pub(crate) use network::*;
pub(crate) use outcome::{Outcome, Verdict};
pub(crate) use port::*;
pub(crate) use test_run::Hook;
