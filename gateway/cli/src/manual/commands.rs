//! Manual pages of the command and of each verb.

use clap::{Arg, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, italic, roman},
};

use super::page::Page;
use crate::options::DEFAULT_CONFIG;

/// Returns the pages of `command` and of all its subcommands that are not hidden.
pub(super) fn pages(command: Command) -> Vec<Page> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &command, &mut pages);
    pages
}

fn add(top: &Command, command: &Command, pages: &mut Vec<Page>) {
    pages.push(Page {
        name: command.get_display_name().unwrap_or(command.get_name()).to_owned(),
        section: 8,
        text: page(top, command),
    });
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        add(top, verb, pages);
    }
}

fn page(top: &Command, command: &Command) -> String {
    let source = format!("{} {}", top.get_name(), top.get_version().unwrap_or_default());
    let man = Man::new(command.clone()).section("8").source(source).manual("System Administration");
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = man.render_title(&mut text);
    let _ = man.render_name_section(&mut text);
    let _ = synopsis(command).to_writer(&mut text);
    let _ = man.render_description_section(&mut text);
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        let _ = man.render_options_section(&mut text);
    }
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        let _ = man.render_subcommands_section(&mut text);
    }
    let mut rest = Roff::new();
    if let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        sections(&help.to_string(), &mut rest);
    }
    files(&mut rest);
    environment(command, &mut rest);
    see_also(top, command, &mut rest);
    let _ = rest.to_writer(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Formats the synopsis: the name of the command, and its arguments with the names of values.
fn synopsis(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut line = vec![bold(name)];
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .partition(|argument| argument.is_positional());
    for argument in options.into_iter().chain(positional) {
        let (open, close) = if argument.is_required_set() { (" ", "") } else { (" [", "]") };
        line.push(roman(open));
        let flag = match (argument.get_long(), argument.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => String::new(),
        };
        line.push(bold(flag));
        let values = argument.get_value_names().filter(|_| argument.get_action().takes_values()).unwrap_or_default();
        let values = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let optional = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
        let between = if argument.is_positional() || values.is_empty() { "" } else { " " };
        line.push(match (values.is_empty(), optional) {
            (true, _) => roman(""),
            (false, false) => italic(format!("{between}{values}")),
            (false, true) => italic(format!("{between}[{values}]")),
        });
        line.push(roman(close));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    roff.text(line);
    roff
}

/// Formats the text after the options, under the headings of man-pages(7).
fn sections(text: &str, roff: &mut Roff) {
    let mut under = "";
    for paragraph in text.split("\n\n") {
        let (heading, paragraph) = match paragraph.split_once(':') {
            Some(("Examples", rest)) => ("EXAMPLES", rest.trim_start_matches('\n')),
            Some(("Exit codes", rest)) => ("EXIT STATUS", rest.trim_start()),
            _ => ("NOTES", paragraph),
        };
        if heading != under {
            roff.control("SH", [heading]);
            under = heading;
        }
        paragraphs(paragraph, roff);
    }
}

/// Adds the files that it reads and writes.
fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (path, what) in [
        (DEFAULT_CONFIG, "The configuration, vtep-gateway.toml(5)."),
        ("/run/vtep-gateway/vtep-gateway.ctl", "The control socket of the agent, in gateway.run_dir."),
        ("/run/vtep-gateway/status.json", "What status --json says, written each second."),
        ("/sys/fs/bpf/vtep-gateway", "Programs and maps, in gateway.pin_dir."),
    ] {
        roff.control("TP", []);
        roff.text([italic(path)]);
        roff.text([roman(what)]);
    }
}

/// Adds the environment variables that it reads.
fn environment(command: &Command, roff: &mut Roff) {
    let named: Vec<_> = command.get_arguments().filter_map(|argument| Some((argument, argument.get_env()?))).collect();
    if named.is_empty() {
        return;
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (argument, variable) in named {
        roff.control("TP", []);
        roff.text([bold(variable.to_string_lossy())]);
        roff.text([roman(format!("What --{} is where it is not given.", argument.get_long().unwrap_or_default()))]);
    }
}

/// Formats free text in the same way as clap: indented paragraphs keep their lines.
fn paragraphs(text: &str, roff: &mut Roff) {
    let mut kept = false;
    roff.control("PP", []);
    for line in text.lines() {
        let indented = line.starts_with(' ');
        if indented != kept {
            roff.control(if indented { "nf" } else { "fi" }, []);
            kept = indented;
        }
        if line.is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    if kept {
        roff.control("fi", []);
    }
}

fn see_also(top: &Command, command: &Command, roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    if command.get_name() != top.get_name() {
        line.extend([bold(top.get_name()), roman("(8), ")]);
    }
    line.extend([bold("vtep-gateway.toml"), roman("(5), "), bold("ovs-appctl"), roman("(8), "), bold("vtep-ctl")]);
    line.push(roman("(8)"));
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn sample() -> Command {
        let list = Command::new("list").about("Lists.").arg(Arg::new("json").long("json").action(ArgAction::SetTrue));
        let help = "Examples:\n  tool list\n\nMore.\n\nExit codes: 0 fine.";
        Command::new("tool").version("1.0").about("Does.").after_help(help).subcommand(
            Command::new("show").about("Shows.").subcommand(list).subcommand(Command::new("secret").hide(true)),
        )
    }

    #[test]
    fn verbs_below_verbs_have_pages_and_hidden_ones_have_not() {
        let names: Vec<_> = pages(sample()).into_iter().map(|page| page.name).collect();
        assert_eq!(names, ["tool", "tool-show", "tool-show-list"]);
    }

    #[test]
    fn examples_exit_codes_and_files_have_headings_of_their_own() {
        let page = &pages(sample())[0].text;
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let last = ["EXAMPLES", "NOTES", "\"EXIT STATUS\"", "FILES", "\"SEE ALSO\""];
        assert!(headings.ends_with(&last), "{headings:?}");
        let (_, examples) = page.split_once(".SH EXAMPLES\n").unwrap();
        assert!(examples.starts_with(".PP\n.nf\n  tool list\n.fi\n"), "{examples}");
    }

    #[test]
    fn the_synopsis_has_the_names_of_values() {
        let vlan = Arg::new("vlan").long("vlan").value_name("VLAN");
        let port = Arg::new("in").long("in").value_name("PORT").required(true);
        let page = &pages(Command::new("tool").about("Does.").arg(vlan).arg(port))[0].text;
        let (_, synopsis) = page.split_once(".SH SYNOPSIS\n").unwrap();
        let synopsis = synopsis.lines().next().unwrap().replace("\\fB", "").replace("\\fI", "").replace("\\fR", "");
        assert_eq!(synopsis.replace("\\-", "-"), "tool [--vlan VLAN] --in PORT [--help]");
    }

    #[test]
    fn an_option_of_a_verb_is_in_its_page() {
        assert!(pages(sample())[2].text.contains("\\-\\-json"));
    }
}
