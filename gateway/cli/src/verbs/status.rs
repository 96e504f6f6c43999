//! `status`: one screen, and an exit code that reports the health of the gateway.

use std::{path::Path, process::ExitCode};

use clap::Args;
use gateway_api::{
    screen::{self, Look},
    view::Status,
};

use super::{
    agent::Agent,
    output::{self, fail},
};
use crate::options::AgentOption;

/// Exit code if the gateway is not healthy, or could not be reached.
const UNHEALTHY: u8 = 1;

const STATUS_CODES: &str = "\
Exit codes: 0 healthy; 1 not healthy (a fault is open), or the agent does not answer; 2 wrong arguments; 3 no agent is running. \
Warnings, such as one of several remote VTEPs that can't be sent to, leave it healthy.

The fields of --json are described in docs/JSON.md; they keep their names and meanings.";

/// `status`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = STATUS_CODES)]
pub struct StatusOptions {
    /// As a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// Shows the state of the gateway, as text or as JSON.
pub(crate) fn carry_out(options: &StatusOptions, socket: &Path) -> ExitCode {
    let agent = Agent::new(socket);
    let answer = agent.call("status", &["json"]);
    let status = answer.and_then(|answer| Ok((agent.parse::<Status>(&answer)?, answer)));
    let (status, answer) = match status {
        Ok(status) => status,
        Err(error) => return fail(error.exit_code(), &error),
    };
    let code = if status.healthy { ExitCode::SUCCESS } else { ExitCode::from(UNHEALTHY) };
    let text = if options.json { answer } else { screen::status(&status, Look::of_stdout()) };
    output::write(&text, code)
}
