//! `exit`: ends the agent.

use std::{path::Path, process::ExitCode, time::Duration};

use clap::Args;
use gateway_api::ctl;

use super::output;
use crate::options::AgentOption;

/// Time for the agent to end.
const END: Duration = Duration::from_secs(30);

/// `exit`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ExitOptions {
    /// Keep the active role, and forward on, for an agent that is started again before the lease ends.
    #[arg(long)]
    pub(crate) keep_role: bool,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// Requests the end of the agent, and waits for it.
pub(crate) fn carry_out(options: &ExitOptions, socket: &Path) -> ExitCode {
    let params: &[&str] = if options.keep_role { &["keep-role"] } else { &[] };
    output::reply(ctl::end(socket, "exit", params, END))
}
