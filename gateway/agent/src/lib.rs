//! The agent: one task that turns changes into operations on the data plane. Changes come from rows, the underlay, the
//! configuration, timers, and from learning in the kernel.
//!
//! [`run`] is the loop: [`start`] opens everything, [`inputs`] waits for the next input, [`agent`] handles it and returns
//! effects ([`turn`]), and [`outputs`] carries them out. [`forwarding`] holds the data plane and reconciles it;
//! [`data_plane`] is its face towards the handlers. [`row_source`] follows the database. [`cluster`] has the role of this
//! node among several, with [`standby_fdb`], [`state_sync`], [`eligible`], [`strays`] and [`announcer`]. [`report`] logs
//! each problem once when it comes and once when it goes. [`event_log`] records events for clients that monitor the
//! gateway. [`captures`] installs the capture programs while a client wants them.
//!
//! [`ctl`] is the server of the control socket. [`views`] and [`fdb`] build the views of the state, and [`show`] answers requests with them. [`housekeeping`] has the views of the agent itself, with [`coverage`] and
//! [`status_line`]. [`measure`] collects the metrics. [`systemd`] notifies the service manager. [`detach`] removes the
//! data plane.

mod admitted;
mod agent;
mod announcer;
mod budgets;
mod captures;
mod cluster;
mod configuration;
mod coverage;
pub mod ctl;
mod data_plane;
mod detach;
pub mod devices;
mod eligible;
mod error;
mod event_log;
mod events;
mod fdb;
mod forwarding;
mod housekeeping;
mod inputs;
mod kernel_log;
mod losses;
mod measure;
pub mod metrics;
mod names;
mod outgoing;
mod outputs;
mod process_lock;
mod report;
mod row_source;
pub mod run;
pub mod show;
mod slow_path;
mod standby_fdb;
mod start;
mod state_sync;
mod stations;
mod status;
mod status_line;
mod strays;
mod systemd;
mod turn;
mod views;

pub use detach::{DetachError, detach};
pub use error::AgentError;
pub use run::run;
pub use systemd::hold_back;
