//! Verbs of the command line, one in each file: its options, and its execution.
//!
//! A verb sends a request to the agent on its control socket, or reads the pinned maps. It writes text for people to
//! standard output or, with `--json`, JSON for programs. Verbs for a running agent do not need a valid configuration
//! file: `target` finds the agent. `agent` is the client side of requests.

pub(crate) mod agent;
pub(crate) mod capture;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod exit;
pub(crate) mod handover;
pub(crate) mod man;
pub(crate) mod monitor;
pub(crate) mod output;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod top;
pub(crate) mod trace;
mod values;

pub use capture::CaptureOptions;
pub use completions::CompletionsOptions;
pub use doctor::DoctorOptions;
pub use exit::ExitOptions;
pub use handover::HandoverOptions;
pub use man::ManOptions;
pub use monitor::MonitorOptions;
pub use output::{BAD_INPUT, fail};
pub use show::ShowOptions;
pub use status::StatusOptions;
pub use top::TopOptions;
pub use trace::TraceOptions;
