//! Execution of the command line.

use std::{path::Path, process::ExitCode};

use clap::CommandFactory;
use gateway_base::log;
use gateway_config::Config;
use gateway_datapath::load::Objects;

use crate::{
    command_line::{Cli, Command},
    verbs::{
        agent::Agent,
        capture, completions, doctor, exit, handover, man, monitor,
        output::{self, BAD_INPUT, fail},
        show, status,
        target::Target,
        top, trace,
    },
};

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
pub fn execute(cli: &Cli, duties: &Duties) -> ExitCode {
    match &cli.command {
        Command::Completions(options) => return completions::carry_out(options, Cli::command()),
        Command::Man(options) => return man::carry_out(options, Cli::command()),
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
        Command::Status(options) => status::carry_out(options, socket),
        Command::Show(options) => show::carry_out(options, socket),
        Command::Monitor(options) => monitor::carry_out(options, socket),
        Command::Top(options) => top::carry_out(options, socket),
        Command::Doctor(options) => doctor::carry_out(options, target, objects),
        Command::Handover(options) => handover::carry_out(options, socket),
        Command::Reload(_) => output::reply(Agent::new(socket).call("reload", &[])),
        Command::Capture(options) => capture::carry_out(options, target, objects),
        Command::Trace(options) => trace::carry_out(options, target, objects),
        Command::Exit(options) => exit::carry_out(options, socket),
        // Carried out above.
        Command::Run(_) | Command::Detach(_) | Command::CheckConfig(_) | Command::Completions(_) | Command::Man(_) => {
            ExitCode::SUCCESS
        }
    }
}
