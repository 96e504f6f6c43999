//! The control socket, `<run_dir>/vtep-gateway.ctl`: a running agent is asked to do something, or how it is.
//!
//! It speaks the protocol that daemons of Open vSwitch call unixctl, which is JSON-RPC 1.0 (`ovs-appctl(8)`,
//! `lib/unixctl.c`): a request has a method and a list of strings, its reply a text, or a text that says what is wrong.
//! So `ovs-appctl -t /run/vtep-gateway/vtep-gateway.ctl list-commands` works.
//!
//! `message` has requests and replies, `commands` what is to be done with a request and who may ask it, `seats` who is let
//! in; these are pure. [`server`] has the socket and its clients, whom it does not trust with more than it must: the mode
//! of the socket lets in root, and the members of one group if there is one, who may look and not change.
//! [`client`] is the other side.

mod client;
pub mod commands;
#[cfg(fuzzing)]
#[allow(missing_docs, unreachable_pub, reason = "not part of the library")]
pub mod fuzzing;
pub mod message;

use std::path::{Path, PathBuf};

pub use client::{CallError, call, end};
pub use commands::{Access, Answer, Command};

/// Name of the socket in the run directory.
const NAME: &str = "vtep-gateway.ctl";

/// Where the control socket of an agent with this `run_dir` is.
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join(NAME)
}
