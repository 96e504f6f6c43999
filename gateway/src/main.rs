//! The `vtep-gateway` command: the one place that has the BPF programs in it.

use std::{path::Path, process::ExitCode};

use clap::Parser;
use gateway_agent::{self as agent, AgentError};
use gateway_base::{log, memory};
use gateway_cli::{BAD_INPUT, Cli, Duties, execute, fail};
use gateway_config::Config;
use gateway_datapath::load::Objects;
use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    execute(&Cli::parse(), &Duties { objects: gateway::OBJECTS, run, detach })
}

fn run(path: &Path, config: Config, objects: Objects, log: &log::Control) -> ExitCode {
    // Whoever starts the agent may have blocked them for itself, and children inherit that.
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    if let Err(error) = signals.thread_unblock() {
        return fail(1, &error);
    }
    memory::keep_no_large_blocks();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let outcome = runtime.block_on(agent::run(path, config, objects, log));
    log.report_left_out(true);
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let code = fail(error.exit_code(), &error);
    // Where a second try does not help, the service manager does not make one.
    if matches!(error, AgentError::NotStarted(_)) && error.exit_code() != BAD_INPUT {
        runtime.block_on(agent::hold_back(&error));
    }
    code
}

fn detach(config: &Config) -> ExitCode {
    match agent::detach(config, |line| println!("{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}
