//! The agent: one task that turns whatever changes (rows, underlay, configuration, time, what the kernel learned) into
//! operations on the data plane.
//!
//! [`run`] is the loop, [`handlers`] what it does at each turn. [`forwarding`] holds the data plane and brings it up to date, [`report`] says what changed for
//! the worse or the better, once. [`control`] has what the control socket offers, [`housekeeping`] answers what is about the agent
//! itself, with [`coverage`] and [`status_line`], and [`systemd`] tells the service manager. [`event_log`] notes what happens,
//! for whoever watches. [`captures`] has the programs that show packets in force while somebody wants that.
//! [`cluster`] has this node's part among several, with [`standby_fdb`], [`state_sync`], [`eligible`], [`strays`] and [`announcer`]. [`views`] and [`fdb`] make of all this what is
//! shown, [`show`] answers with it; [`measure`] has what monitoring reads. [`detach`] is the way out.

mod admitted;
mod announcer;
mod budgets;
mod captures;
mod cluster;
pub mod control;
mod coverage;
pub mod ctl;
mod detach;
pub mod devices;
mod eligible;
mod error;
mod event_log;
mod events;
mod fdb;
mod forwarding;
#[cfg(fuzzing)]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
mod handlers;
mod housekeeping;
mod losses;
mod measure;
pub mod metrics;
mod names;
mod outgoing;
mod process_lock;
mod report;
pub mod run;
pub mod show;
mod standby_fdb;
mod state_sync;
mod stations;
mod status;
mod status_line;
mod strays;
mod systemd;
mod views;

pub use detach::{DetachError, detach};
pub use error::AgentError;
pub use run::run;
pub use systemd::hold_back;
