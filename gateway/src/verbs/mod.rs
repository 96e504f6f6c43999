//! What the verbs of the command line do: each has a file of its own but for those that are a call or two.
//!
//! A verb reads the configuration to know which agent is meant, asks that agent on its control socket or looks where it
//! pins, and writes to standard output what a person or, with `--json`, a program wants to know.

mod capture;
pub mod completions;
pub mod doctor;
pub mod man;
pub mod monitor;
mod output;
pub mod show;
mod status;
pub mod top;
mod trace;

use std::{path::Path, process::ExitCode, time::Duration};

use nix::sys::signal::{SigSet, Signal};

use crate::{
    agent,
    cli::{Cli, Command},
    config::Config,
    ctl::{self, CallError},
    log, memory,
};

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
    let Some(path) = cli.command.config() else { return ExitCode::SUCCESS };
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    let socket = ctl::path(&config.gateway.run_dir);
    match &cli.command {
        Command::Run(_) => run(path, config, &log),
        Command::Detach(_) => match agent::detach(&config, |line| println!("{line}")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        },
        Command::CheckConfig(_) => {
            println!("{}: fine", path.display());
            ExitCode::SUCCESS
        }
        Command::Status(options) => status::carry_out(&socket, options.json),
        Command::Show(options) => show::carry_out(options, &socket),
        Command::Monitor(options) => match monitor::watch(&socket, options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.exit_code(), &error),
        },
        Command::Top(options) => match top::show(&socket, options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.exit_code(), &error),
        },
        Command::Doctor(options) => doctor::carry_out(options, path, &config),
        Command::Handover(options) => {
            let mut params: Vec<&str> = options.instance.as_deref().into_iter().collect();
            params.extend(options.force.then_some("--force"));
            told(ctl::call(&socket, "vrrp/handover", &params, ANSWER))
        }
        Command::Reload(_) => told(ctl::call(&socket, "reload", &[], ANSWER)),
        Command::Capture(options) => capture::carry_out(options, &config),
        Command::Trace(options) => trace::carry_out(options, &config),
        Command::Exit(options) => {
            let params: &[&str] = if options.keep_role { &["keep-role"] } else { &[] };
            told(ctl::end(&socket, "exit", params, END))
        }
        // Carried out above.
        Command::Completions(_) | Command::Man(_) => ExitCode::SUCCESS,
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
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("vtep-gateway: {error}");
    ExitCode::from(code)
}
