//! Generates `docs/CLI.md`.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

const HEAD: &str = "\
# Command line

<!-- Made from the definition in gateway/cli/src: `cargo xtask docs` writes it. -->

";

/// Returns the reference of `command` and all its verbs.
pub(super) fn commands(command: Command) -> String {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut text = HEAD.to_owned();
    section(&command, true, &mut text);
    for verb in command.get_subcommands() {
        verbs(verb, "##", &mut text);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn verbs(command: &Command, marks: &str, text: &mut String) {
    if command.is_hide_set() {
        return;
    }
    let _ = writeln!(text, "{marks} `{}`\n", command.get_bin_name().unwrap_or(command.get_name()));
    section(command, false, text);
    for verb in command.get_subcommands() {
        verbs(verb, &format!("{marks}#"), text);
    }
}

fn section(command: &Command, is_top: bool, text: &mut String) {
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        let _ = writeln!(text, "{}\n", sentence(&about.to_string()));
    }
    let usage = command.clone().render_usage().to_string();
    for line in usage.trim_start_matches("Usage:").lines() {
        let _ = writeln!(text, "    {}", line.trim());
    }
    text.push('\n');
    // Common arguments of all verbs are described once.
    let is_listed = |argument: &&Arg| {
        !argument.is_hide_set()
            && !matches!(argument.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong)
            && (is_top || !argument.is_global_set())
    };
    let arguments: Vec<&Arg> = command.get_arguments().filter(is_listed).collect();
    if !arguments.is_empty() {
        text.push_str("| argument | default | |\n|---|---|---|\n");
        for argument in arguments {
            let _ = writeln!(text, "| {} | {} | {} |", name(argument), default(argument), meaning(argument));
        }
        text.push('\n');
    }
    if is_top {
        text.push_str("| verb | |\n|---|---|\n");
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "| [`{0}`](#vtep-gateway-{0}) | {1} |", verb.get_name(), sentence(&cell(&about)));
        }
        text.push('\n');
    }
    if let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        notes(&help.to_string(), text);
    }
}

/// Formats the name of an argument: `-j`, `--json` or `--config FILE`; a positional one by the name of its value.
fn name(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let takes = argument.get_action().takes_values();
    let value =
        if takes { values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") } else { String::new() };
    if argument.is_positional() {
        let dots = if matches!(argument.get_action(), ArgAction::Append) { "..." } else { "" };
        return format!("`{}{dots}`", value.replace('|', "\\|"));
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = [short, long].into_iter().flatten().collect();
    let value = if value.is_empty() { value } else { format!(" {value}") };
    format!("`{}{}`", names.join("`, `"), value.replace('|', "\\|"))
}

fn default(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() {
        return format!("`{}`", defaults.join(" "));
    }
    if argument.is_required_set() { "required".to_owned() } else { String::new() }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut parts = vec![sentence(&cell(&help))];
    let values = argument.get_possible_values();
    let values: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).collect();
    if argument.get_action().takes_values() && !values.is_empty() {
        let listed = values.iter().map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), cell(help.to_string().trim_end_matches('.'))),
            None => format!("`{}`", value.get_name()),
        });
        parts.push(format!("One of {}.", listed.collect::<Vec<_>>().join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        parts.push(format!("From the environment: `{}`.", variable.to_string_lossy()));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// Restores the full stop that clap removes.
fn sentence(text: &str) -> String {
    let ended = text.is_empty() || text.ends_with(['.', ':', '?', '!']);
    if ended { text.to_owned() } else { format!("{text}.") }
}

/// Formats text for a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Formats free text; indented text is kept as it is.
fn notes(help: &str, text: &mut String) {
    let mut code = false;
    for line in help.lines() {
        let indented = line.starts_with(' ');
        if indented && !code {
            text.push('\n');
        }
        code = indented;
        let _ = writeln!(text, "{}{line}", if indented { "  " } else { "" });
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Command {
        let config = Arg::new("config").long("config").value_name("FILE").default_value("/etc/x").help("Which | file.");
        let level = Arg::new("level").long("level").global(true).value_parser(["low", "high"]).help("How much.");
        Command::new("tool").arg(level).subcommand(Command::new("run").about("Runs.").arg(config))
    }

    #[test]
    fn options_are_listed_with_their_defaults_and_values() {
        let text = commands(sample());
        assert!(text.contains("| `--config FILE` | `/etc/x` | Which \\| file. |"), "{text}");
        assert!(text.contains("How much. One of `low`, `high`."), "{text}");
    }

    #[test]
    fn common_options_are_listed_once() {
        assert_eq!(commands(sample()).matches("`--level").count(), 1);
    }

    #[test]
    fn indented_text_becomes_code() {
        let mut text = String::new();
        notes("Examples:\n  tool run\n\nMore.", &mut text);
        assert_eq!(text, "Examples:\n\n    tool run\n\nMore.\n\n");
    }
}
