//! `completions`.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::output;

/// `completions`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct CompletionsOptions {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints the script with which a shell completes the verbs and options of `command`.
pub(crate) fn carry_out(options: &CompletionsOptions, command: Command) -> ExitCode {
    output::write(&script(options.shell, command), ExitCode::SUCCESS)
}

fn script(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command, "vtep-gateway", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::Cli;

    #[test]
    fn the_script_of_every_shell_has_every_verb() {
        for shell in Shell::value_variants() {
            let script = script(*shell, Cli::command());
            for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
                assert!(script.contains(verb.get_name()), "{shell}: {}", verb.get_name());
            }
        }
    }
}
