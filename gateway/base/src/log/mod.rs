//! The log: its destinations, its levels and its rate limits.
//!
//! [`options`] has the options of the command line and sets the log up. `levels` holds the level of each room of the
//! gateway; `vlog` reads and writes them in the format of Open vSwitch at run time. Both are pure. `duplicates`, pure
//! too, decides which lines are left out because there were too many like them; `limit` is the filter that calls it.
//! `format` makes lines of text and JSON, `journal` writes to systemd's journal; both name modules as `target` says.
//! [`Control`] is the handle of a running agent.

#[cfg(test)]
mod bytes;
mod control;
mod duplicates;
mod format;
pub mod journal;
mod levels;
mod limit;
mod options;
mod target;
mod vlog;

pub use control::{Control, SetError};
pub use levels::LevelsError;
pub use options::{LogError, LogFormat, LogOptions};
pub use vlog::SpecError;
