//! The agent: one task that turns whatever changes (rows, underlay, configuration, time, what the kernel learned) into
//! operations on the data plane.
//!
//! [`run`] is the loop, [`turns`] what it does at each turn. [`forwarding`] holds the data plane and brings it up to date, [`report`] says what changed for
//! the worse or the better, once. [`control`] has what the control socket offers.
//! [`cluster`] has this node's part among several, with [`followed`], [`siblings`] and [`announcer`]. [`detach`] is the way out.

mod announcer;
mod captures;
mod cluster;
pub mod control;
mod detach;
mod error;
mod followed;
mod forwarding;
mod report;
mod run;
mod siblings;
mod stations;
mod status;
mod turns;

pub use detach::{DetachError, detach};
pub use error::AgentError;
pub use run::run;
