//! Command line of `vtep-gateway`.
//!
//! `command_line` defines the verbs, and each verb in [`verbs`] its options; `options` has those that several verbs
//! share, and [`gateway_base::log`] those of the log. [`execute()`] finds the agent or the configuration that a verb is
//! for, and executes it.

mod command_line;
pub mod doctor;
mod execute;
pub mod manual;
mod options;
pub mod top;
pub mod verbs;

pub use command_line::{Cli, Command};
pub use execute::{Duties, execute};
pub use options::{AgentOption, ConfigOption};
pub use verbs::{BAD_INPUT, fail};
