//! The log: where its lines go, which there are, and how many of them.
//!
//! [`options`] has what the command line says of it, and sets it up. `levels` knows which lines are wanted, of which room
//! of the gateway, and `vlog` how operators of Open vSwitch say so at run time; both are pure. `repeats`, pure too, decides
//! which lines are left out because there were too many like them, and `limit` asks it. `journal` writes to systemd's
//! journal. [`Control`] is what a running agent has of all this.

mod control;
mod duplicates;
pub mod journal;
mod levels;
mod limit;
mod options;
mod vlog;

pub use control::Control;
pub use options::{LogError, LogFormat, LogOptions};
