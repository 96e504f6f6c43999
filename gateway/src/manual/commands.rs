//! A page for the command and one for each verb.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::Page;

/// The pages of `command` and of all below it that are not hidden.
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
    let _ = man.render_synopsis_section(&mut text);
    let _ = man.render_description_section(&mut text);
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        let _ = man.render_options_section(&mut text);
    }
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        let _ = man.render_subcommands_section(&mut text);
    }
    let mut rest = Roff::new();
    if let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        rest.control("SH", ["NOTES"]);
        paragraphs(&help.to_string(), &mut rest);
    }
    see_also(top, command, &mut rest);
    let _ = rest.to_writer(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Free text as clap prints it: paragraphs that are indented keep their lines.
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
    use clap::{Arg, ArgAction};

    use super::*;

    fn sample() -> Command {
        let list = Command::new("list").about("Lists.").arg(Arg::new("json").long("json").action(ArgAction::SetTrue));
        Command::new("tool").version("1.0").about("Does.").after_help("Examples:\n  tool list\n\nExit.").subcommand(
            Command::new("show").about("Shows.").subcommand(list).subcommand(Command::new("secret").hide(true)),
        )
    }

    #[test]
    fn verbs_below_verbs_have_pages_and_hidden_ones_have_not() {
        let names: Vec<_> = pages(sample()).into_iter().map(|page| page.name).collect();
        assert_eq!(names, ["tool", "tool-show", "tool-show-list"]);
    }

    #[test]
    fn examples_keep_their_lines_and_the_rest_flows() {
        let page = &pages(sample())[0].text;
        let (_, notes) = page.split_once(".SH NOTES\n").unwrap();
        assert!(notes.starts_with(".PP\nExamples:\n.nf\n  tool list\n.fi\n.PP\nExit.\n"), "{notes}");
    }

    #[test]
    fn an_option_of_a_verb_is_in_its_page() {
        assert!(pages(sample())[2].text.contains("\\-\\-json"));
    }
}
