//! The `vtep-gateway` command.

use std::{path::Path, process::ExitCode};

use clap::Parser;
use gateway::{
    agent,
    cli::{Cli, Command},
    config::Config,
};
use nix::sys::signal::{SigSet, Signal};

/// Bad arguments or configuration; clap uses the same for bad arguments.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = cli.log.init() {
        return fail(1, &error);
    }
    let (Command::Run(option) | Command::Detach(option) | Command::CheckConfig(option)) = &cli.command;
    let config = match Config::load(&option.config) {
        Ok(config) => config,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    match cli.command {
        Command::Run(_) => run(&option.config, config),
        Command::Detach(_) => match agent::detach(&config, |line| println!("{line}")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        },
        Command::CheckConfig(_) => {
            println!("{}: fine", option.config.display());
            ExitCode::SUCCESS
        }
    }
}

fn run(path: &Path, config: Config) -> ExitCode {
    // Whoever starts the agent may have blocked them for itself, and children inherit that.
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    if let Err(error) = signals.thread_unblock() {
        return fail(1, &error);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    match runtime.block_on(agent::run(path, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("vtep-gateway: {error}");
    ExitCode::from(code)
}
