//! The log: its destinations, its levels and its rate limits.
//!
//! [`options`] has the options of the command line and sets the log up. `levels` holds the level of each room of the
//! gateway; `vlog` reads and writes them in the format of Open vSwitch at run time. Both are pure. `duplicates`, pure
//! too, decides which lines are left out because there were too many like them; `limit` is the filter that calls it.
//! `journal` writes to systemd's journal. [`Control`] is the handle of a running agent.

mod control;
mod duplicates;
pub mod journal;
mod levels;
mod limit;
mod options;
mod vlog;

pub use control::{Control, SetError};
pub use levels::LevelsError;
pub use options::{LogError, LogFormat, LogOptions};
pub use vlog::SpecError;
