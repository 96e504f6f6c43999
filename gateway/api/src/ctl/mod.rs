//! Control socket `<run_dir>/vtep-gateway.ctl`: takes commands for a running agent and reports its state.
//!
//! It uses the unixctl protocol of the Open vSwitch daemons, which is JSON-RPC 1.0 (`ovs-appctl(8)`, `lib/unixctl.c`).
//! A request has a method and a list of strings. Its reply is a text or an error message. Therefore this works:
//! `ovs-appctl -t /run/vtep-gateway/vtep-gateway.ctl list-commands`.
//!
//! [`message`] has the format of requests and replies. [`COMMANDS`] lists the commands, [`dispatch`] checks a request
//! against that table and the client's rights, and [`Control`] is the parsed request; all of these are pure. `client` is
//! the client side. The server is in the crate `gateway-agent`, which executes the requests. It gives its clients only
//! the access that they need: by the mode of the socket, only root and the members of one group, if there is one, can
//! connect, and the group may read but not change.

mod client;
mod commands;
mod control;
pub mod dispatch;
#[cfg(fuzzing)]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
pub mod message;

use std::path::{Path, PathBuf};

pub use client::{CallError, call, end};
pub use commands::{Access, COMMANDS, Command};
pub use control::{CaptureControl, Control, LogControl, Show};
pub use dispatch::Answer;

/// Name of the socket in the run directory.
const NAME: &str = "vtep-gateway.ctl";

/// Returns the path of the control socket of an agent with this `run_dir`.
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join(NAME)
}
