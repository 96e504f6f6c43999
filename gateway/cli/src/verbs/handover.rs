//! `handover`: passes the active role to another node.

use std::{
    path::Path,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use clap::Args;
use gateway_api::{
    ctl::CallError,
    view::{Role, Status},
};

use super::{
    agent::Agent,
    output::{self, fail},
};
use crate::options::AgentOption;

/// Time between two polls for another node.
const AGAIN: Duration = Duration::from_millis(100);

/// `handover`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct HandoverOptions {
    /// Name or VRID of the virtual router; all of them if none is named.
    #[arg(value_name = "NAME|VRID")]
    pub router: Option<String>,
    /// Also if no other node is known to take it.
    #[arg(long)]
    pub force: bool,
    /// First wait so many seconds at most, 30 if no number is given, until another node is connected.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30",
        value_parser = clap::value_parser!(u16).range(1..=3600), require_equals = true)]
    pub wait: Option<u16>,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// Requests the handover; the agent replies when another node has the role.
pub(crate) fn carry_out(options: &HandoverOptions, socket: &Path) -> ExitCode {
    let agent = Agent::new(socket);
    if let Some(seconds) = options.wait
        && let Err(error) = wait(agent, options.router.as_deref(), Duration::from_secs(seconds.into()))
    {
        return fail(error.exit_code(), &error);
    }
    let mut params: Vec<&str> = options.router.as_deref().into_iter().collect();
    params.extend(options.force.then_some("--force"));
    output::reply(agent.call("vrrp/handover", &params))
}

/// Waits until another node is connected for one of the selected virtual routers that are active here. If there is none
/// in time, the agent reports the error later.
#[expect(clippy::disallowed_methods, reason = "a command waits in real time")]
fn wait(agent: Agent<'_>, which: Option<&str>, limit: Duration) -> Result<(), CallError> {
    let deadline = Instant::now() + limit;
    loop {
        let status: Status = agent.ask("status", &["json"])?;
        if is_ready(&status, which) || Instant::now() >= deadline {
            return Ok(());
        }
        sleep(AGAIN);
    }
}

/// Returns true if another node is connected, or there is nothing to wait for.
fn is_ready(status: &Status, which: Option<&str>) -> bool {
    let meant = |name: &str, vrid: u8| which.is_none_or(|which| which == name || which == vrid.to_string());
    let mut active = status.vrrp.iter().filter(|one| meant(&one.name, one.vrid) && one.role == Role::Active).peekable();
    let Some(nodes) = &status.nodes else { return true };
    let connected = |vrid: u8| nodes.standbys.get(&vrid.to_string()).is_some_and(|nodes| !nodes.is_empty());
    active.peek().is_none() || active.any(|one| connected(one.vrid))
}

#[cfg(test)]
mod tests {
    use gateway_api::view::samples;

    use super::*;

    #[test]
    fn another_node_is_waited_for_where_this_one_is_active() {
        let mut status = samples::healthy();
        assert!(is_ready(&status, None) && is_ready(&status, Some("51")));
        status.nodes.as_mut().unwrap().standbys.clear();
        assert!(!is_ready(&status, None) && !is_ready(&status, Some("a")));
        assert!(is_ready(&status, Some("nosuch")), "the agent reports that there is none");
        status.vrrp[0].role = Role::Backup;
        assert!(is_ready(&status, None), "the agent reports that it is not active");
    }
}
