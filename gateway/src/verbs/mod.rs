//! What the verbs of the command line do: each has a file of its own but for those that are a call or two.
//!
//! A verb asks the agent on its control socket or looks where it pins, and writes to standard output what a person or, with
//! `--json`, a program wants to know. None of those that are for a running agent needs a valid configuration file: [`target`]
//! finds the agent.

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

use nix::sys::signal::{SigSet, Signal};

use crate::{
    agent::{self, AgentError},
    cli::{Cli, Command},
    config::Config,
    ctl::{self, CallError},
    log, memory,
};

use target::Target;

pub use capture::CaptureOptions;
pub use trace::TraceOptions;

/// Bad arguments or configuration; clap uses the same for bad arguments.
const BAD_INPUT: u8 = 2;

/// How long a running agent has to answer. Its loop may be at work on a large change.
const ANSWER: Duration = Duration::from_secs(10);

/// How long it has to end.
const END: Duration = Duration::from_secs(30);

/// Does what the command line asks for, and gives what the process exits with.
pub fn carry_out(cli: &Cli) -> ExitCode {
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
            Ok(config) => with_config(&cli.command, path, config, &log),
            Err(error) => fail(BAD_INPUT, &error),
        };
    }
    match cli.command.agent().map(Target::of) {
        Some(Ok(target)) => with_agent(&cli.command, &target),
        Some(Err(error)) => fail(BAD_INPUT, &error),
        None => ExitCode::SUCCESS,
    }
}

/// What takes a valid configuration.
fn with_config(command: &Command, path: &Path, config: Config, log: &log::Control) -> ExitCode {
    match command {
        Command::Run(_) => run(path, config, log),
        Command::Detach(_) => match agent::detach(&config, |line| println!("{line}")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        },
        _ => {
            println!("{}: fine", path.display());
            ExitCode::SUCCESS
        }
    }
}

/// What is about a running agent, whatever its configuration file says by now.
fn with_agent(command: &Command, target: &Target) -> ExitCode {
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
        Command::Doctor(options) => doctor::carry_out(options, target),
        Command::Handover(options) => handover::carry_out(options, socket),
        Command::Reload(_) => told(ctl::call(socket, "reload", &[], ANSWER)),
        Command::Capture(options) => capture::carry_out(options, target),
        Command::Trace(options) => trace::carry_out(options, target),
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

/// Tells what the agent answered.
fn told(answer: Result<String, CallError>) -> ExitCode {
    match answer {
        Ok(text) => output::write(&text, ExitCode::SUCCESS),
        Err(error) => fail(error.exit_code(), &error),
    }
}

fn run(path: &Path, config: Config, log: &log::Control) -> ExitCode {
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
    let outcome = runtime.block_on(agent::run(path, config, log));
    log.tell_left_out(true);
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let code = fail(error.exit_code(), &error);
    // Where a second try does not help, the service manager does not make one.
    if matches!(error, AgentError::NotStarted(_)) && error.exit_code() != BAD_INPUT {
        runtime.block_on(agent::hold_back(&error));
    }
    code
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("vtep-gateway: {error}");
    ExitCode::from(code)
}
