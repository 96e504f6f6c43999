//! Manual pages and reference pages, generated from their sources so that they always match.
//!
//! [`commands`] generates a page of man(7) for each verb from the definition of the command line, and [`reference`]
//! generates `docs/CLI.md` from the same. The source of vtep-gateway.toml(5) is `docs/CONFIGURATION.md`, which tests
//! compare with the loader; [`markdown`] converts it to man(7).

mod commands;
mod markdown;
mod reference;

use clap::CommandFactory;

use gateway_datapath::catalogue;

use crate::Cli;

const CONFIGURATION: &str = include_str!("../../../../docs/CONFIGURATION.md");

/// A manual page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name, without the section.
    pub name: String,
    /// Its section: 8 for commands, 5 for files.
    pub section: u8,
    /// Its text in man(7).
    pub text: String,
}

/// Returns all manual pages: of the command, of its verbs, and of the configuration file.
pub fn pages() -> Vec<Page> {
    let mut pages = commands::pages(Cli::command());
    // The file itself is called gateway.toml, so people look for that name.
    for name in ["gateway.toml", "vtep-gateway.toml"] {
        let about = "configuration of the VXLAN to VLAN gateway";
        let related = ["vtep-gateway(8)", "vtep(5)", "ovn-controller-vtep(8)"];
        let text = markdown::page(name, "5", about, CONFIGURATION, &related);
        pages.push(Page { name: name.to_owned(), section: 5, text });
    }
    pages
}

/// Returns the pages of `docs/` that are generated from code: file name and contents.
pub fn documents() -> Vec<(&'static str, String)> {
    vec![("CLI.md", reference::commands(Cli::command())), ("MAPS.md", catalogue::document())]
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn docs_say_what_the_code_says() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (name, text) in documents() {
            let found = fs::read_to_string(docs.join(name)).unwrap_or_default();
            assert!(found == text, "docs/{name} is out of date: `cargo xtask docs` writes it anew");
        }
    }

    #[test]
    fn every_verb_has_a_page() {
        let pages = pages();
        for verb in Cli::command().get_subcommands() {
            let name = format!("vtep-gateway-{}", verb.get_name());
            assert!(pages.iter().any(|page| page.name == name && page.section == 8), "{name}");
        }
    }

    #[test]
    fn every_key_of_the_configuration_is_in_its_page() {
        let page = pages().pop().unwrap();
        assert_eq!(page.name, "vtep-gateway.toml");
        for line in CONFIGURATION.lines().filter(|line| line.starts_with("| `")) {
            let key = line.split('`').nth(1).unwrap().replace('-', "\\-");
            assert!(page.text.contains(&format!("\\fB{key}")), "{key}");
        }
    }
}
