//! Commands of the agent, with their parameters and the access that they need.

use std::ops::RangeInclusive;

/// Access rights to a command. The control group may read; a command that changes the agent, or the files that it
/// writes, is for root only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads state: for all clients that may connect.
    Read,
    /// Changes state: for root only.
    Change,
}

/// A command that the agent carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, as `list-commands` shows them.
    pub usage: &'static str,
    /// Number of parameters that it accepts.
    pub params: RangeInclusive<usize>,
    /// Clients that may use it.
    pub access: Access,
}

/// Commands of the agent.
pub const COMMANDS: &[Command] = &[
    Command { name: "capture", usage: "start|renew|stop NUMBER", params: 2..=2, access: Access::Change },
    Command { name: "coverage/show", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "exit", usage: "[keep-role]", params: 0..=1, access: Access::Change },
    Command { name: "fdb/show", usage: "[SWITCH|VNI]", params: 0..=1, access: Access::Read },
    Command { name: "fdb/stats", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "memory/show", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "monitor/next", usage: "[SEQ [RUN]]", params: 0..=2, access: Access::Read },
    Command { name: "reload", usage: "", params: 0..=0, access: Access::Change },
    Command { name: "show/bindings", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "show/counters", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "show/drops", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "show/everything", usage: "", params: 0..=0, access: Access::Read },
    Command {
        name: "show/macs",
        usage: "[FROM] [switch=NAME] [vni=VNI] [port=PORT] [mac=MAC] [remote=IP]",
        params: 0..=6,
        access: Access::Read,
    },
    Command { name: "show/neighbours", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "show/switches", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "show/tunnels", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "show/vrrp", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "status", usage: "[json]", params: 0..=1, access: Access::Read },
    Command { name: "vlog/disable-rate-limit", usage: "", params: 0..=0, access: Access::Change },
    Command { name: "vlog/enable-rate-limit", usage: "", params: 0..=0, access: Access::Change },
    Command { name: "vlog/list", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "vlog/reopen", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "vlog/set", usage: "SPEC...", params: 1..=64, access: Access::Change },
    Command { name: "vrrp/handover", usage: "[NAME|VRID] [--force]", params: 0..=2, access: Access::Change },
];
