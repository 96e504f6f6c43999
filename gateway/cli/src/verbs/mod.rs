//! Execution of the verbs of the command line. Each has a file of its own, except those of one or two calls.
//!
//! A verb sends a request to the agent on its control socket, or reads the pinned maps. It writes text for people to
//! standard output or, with `--json`, JSON for programs. Verbs for a running agent do not need a valid configuration
//! file: [`target`] finds the agent.

mod capture;
pub mod completions;
pub mod doctor;
mod handover;
pub mod man;
pub mod monitor;
mod output;
pub mod show;
mod status;
mod target;
pub mod top;
mod trace;

use std::{path::Path, process::ExitCode, time::Duration};

use gateway_api::ctl::{self, CallError};
use gateway_base::log;
use gateway_config::Config;
use gateway_datapath::load::Objects;
use target::Target;

use crate::{Cli, Command};

pub use capture::CaptureOptions;
pub use trace::TraceOptions;

/// Exit code for bad arguments or configuration; clap uses the same for bad arguments.
pub const BAD_INPUT: u8 = 2;

/// Timeout of a request to a running agent. Its loop may be busy with a large change.
const ANSWER: Duration = Duration::from_secs(10);

/// Time for the agent to end.
const END: Duration = Duration::from_secs(30);

/// Parts that only the command has: the embedded programs, and the agent.
pub struct Duties {
    /// The compiled BPF programs.
    pub objects: Objects,
    /// Runs the agent with the configuration of a file until the agent ends.
    pub run: fn(&Path, Config, Objects, &log::Control) -> ExitCode,
    /// Removes the data plane of a configuration.
    pub detach: fn(&Config) -> ExitCode,
}

/// Executes the command line, and returns the exit code of the process.
pub fn carry_out(cli: &Cli, duties: &Duties) -> ExitCode {
    match &cli.command {
        Command::Completions(options) => return completions::carry_out(options),
        Command::Man(options) => return man::carry_out(options),
        _ => {}
    }
    let log = match cli.log.init() {
        Ok(log) => log,
        Err(error) => return fail(1, &error),
    };
    if let Some(path) = cli.command.config() {
        return match Config::load(path) {
            Ok(config) => with_config(&cli.command, path, config, &log, duties),
            Err(error) => fail(BAD_INPUT, &error),
        };
    }
    match cli.command.agent().map(Target::of) {
        Some(Ok(target)) => with_agent(&cli.command, &target, duties.objects),
        Some(Err(error)) => fail(BAD_INPUT, &error),
        None => ExitCode::SUCCESS,
    }
}

/// Executes the verbs that need a valid configuration.
fn with_config(command: &Command, path: &Path, config: Config, log: &log::Control, duties: &Duties) -> ExitCode {
    match command {
        Command::Run(_) => (duties.run)(path, config, duties.objects, log),
        Command::Detach(_) => (duties.detach)(&config),
        _ => {
            println!("{}: fine", path.display());
            ExitCode::SUCCESS
        }
    }
}

/// Executes the verbs for a running agent, without regard to its configuration file.
fn with_agent(command: &Command, target: &Target, objects: Objects) -> ExitCode {
    let socket = &target.socket;
    match command {
        Command::Status(options) => status::carry_out(socket, options.json),
        Command::Show(options) => show::carry_out(options, socket),
        Command::Monitor(options) => match monitor::watch(socket, options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.exit_code(), &error),
        },
        Command::Top(options) => match top::show(socket, options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.exit_code(), &error),
        },
        Command::Doctor(options) => doctor::carry_out(options, target, objects),
        Command::Handover(options) => handover::carry_out(options, socket),
        Command::Reload(_) => told(ctl::call(socket, "reload", &[], ANSWER)),
        Command::Capture(options) => capture::carry_out(options, target, objects),
        Command::Trace(options) => trace::carry_out(options, target, objects),
        Command::Exit(options) => {
            let params: &[&str] = if options.keep_role { &["keep-role"] } else { &[] };
            told(ctl::end(socket, "exit", params, END))
        }
        // Carried out above.
        Command::Run(_) | Command::Detach(_) | Command::CheckConfig(_) | Command::Completions(_) | Command::Man(_) => {
            ExitCode::SUCCESS
        }
    }
}

/// Prints the reply of the agent.
fn told(answer: Result<String, CallError>) -> ExitCode {
    match answer {
        Ok(text) => output::write(&text, ExitCode::SUCCESS),
        Err(error) => fail(error.exit_code(), &error),
    }
}

/// Prints an error on standard error, and returns the exit code.
pub fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("vtep-gateway: {error}");
    ExitCode::from(code)
}
