//! Manual pages and reference pages, generated from their sources so that they always match.
//!
//! `commands` generates a page of man(7) for each verb from the definition of the command line, and `reference`
//! generates `docs/CLI.md` from the same. The source of vtep-gateway.toml(5) is `docs/CONFIGURATION.md`, which tests
//! compare with the loader; `markdown` converts it to man(7).

mod commands;
mod markdown;
mod page;
mod reference;

use clap::Command;
use gateway_datapath::catalogue;

pub use page::Page;

const CONFIGURATION: &str = include_str!("../../../../docs/CONFIGURATION.md");

/// Returns all manual pages: of `command`, of its verbs, and of the configuration file.
pub fn pages(command: Command) -> Vec<Page> {
    let mut pages = commands::pages(command);
    // The file itself is called gateway.toml, so people look for that name.
    for name in ["gateway.toml", "vtep-gateway.toml"] {
        let about = "configuration of the VXLAN to VLAN gateway";
        let related = ["vtep-gateway(8)", "vtep(5)", "ovn-controller-vtep(8)"];
        let text = markdown::page(name, "5", about, CONFIGURATION, &related);
        pages.push(Page { name: name.to_owned(), section: 5, text });
    }
    pages
}

/// Returns the pages of `docs/` that are generated from `command` and other code: file name and contents.
pub fn documents(command: Command) -> Vec<(&'static str, String)> {
    vec![("CLI.md", reference::commands(command)), ("MAPS.md", catalogue::document())]
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn generated_documents_are_up_to_date() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (name, text) in documents(Cli::command()) {
            let found = fs::read_to_string(docs.join(name)).unwrap_or_default();
            assert!(found == text, "docs/{name} is out of date: `cargo xtask docs` writes it again");
        }
    }

    #[test]
    fn every_verb_has_a_page() {
        let pages = pages(Cli::command());
        for verb in Cli::command().get_subcommands() {
            let name = format!("vtep-gateway-{}", verb.get_name());
            assert!(pages.iter().any(|page| page.name == name && page.section == 8), "{name}");
        }
    }

    #[test]
    fn every_key_of_the_configuration_is_in_its_page() {
        let page = pages(Cli::command()).pop().unwrap();
        assert_eq!(page.name, "vtep-gateway.toml");
        for line in CONFIGURATION.lines().filter(|line| line.starts_with("| `")) {
            let key = line.split('`').nth(1).unwrap().replace('-', "\\-");
            assert!(page.text.contains(&format!("\\fB{key}")), "{key}");
        }
    }
}
