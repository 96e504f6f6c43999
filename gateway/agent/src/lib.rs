//! The agent: one task that turns changes into operations on the data plane. Changes come from rows, the underlay, the
//! configuration, timers, and from learning in the kernel.
//!
//! [`run`] is the loop; [`handlers`] has the handler of each event. [`forwarding`] holds the data plane and reconciles
//! it. [`report`] logs each problem once when it comes and once when it goes. [`housekeeping`] answers requests about the agent itself, with [`coverage`] and [`status_line`].
//! [`systemd`] notifies the service manager. [`event_log`] records events for clients that monitor the gateway.
//! [`captures`] installs the capture programs while a client wants them. [`cluster`] has the role of this node among
//! several, with [`standby_fdb`], [`state_sync`], [`eligible`], [`strays`] and [`announcer`]. [`views`] and [`fdb`]
//! build the views of the state, and [`show`] answers requests with them. [`measure`] collects the metrics. [`detach`]
//! removes the data plane.

mod admitted;
mod announcer;
mod budgets;
mod captures;
mod cluster;
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
