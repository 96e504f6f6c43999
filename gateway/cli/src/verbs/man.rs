//! `man`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use thiserror::Error;

use super::output::{self, BAD_INPUT, fail};
use crate::manual::{self, Page};

/// `man`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ManOptions {
    /// Page to print: a verb, or vtep-gateway.toml for the configuration; without it, that of vtep-gateway itself.
    #[arg(value_name = "PAGE")]
    pub page: Option<String>,
    /// Write all pages into this directory instead, each as its name and section say.
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Error)]
enum ManError {
    #[error("there is no manual page {name:?}; there are {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("cannot write the manual page {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Prints a page of `command` in man(7), for `man -l -`, or writes all of them to files.
pub(crate) fn carry_out(options: &ManOptions, command: Command) -> ExitCode {
    let pages = manual::pages(command);
    if let Some(dir) = &options.dir {
        return match write(&pages, dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        };
    }
    match find(&pages, options.page.as_deref().unwrap_or("vtep-gateway")) {
        Ok(page) => output::write(&page.text, ExitCode::SUCCESS),
        Err(error) => fail(BAD_INPUT, &error),
    }
}

/// Returns the page with this name, with or without the prefix `vtep-gateway-`.
fn find<'p>(pages: &'p [Page], name: &str) -> Result<&'p Page, ManError> {
    let is_meant = |page: &&Page| page.name == name || page.name.strip_prefix("vtep-gateway-") == Some(name);
    pages.iter().find(is_meant).ok_or_else(|| ManError::Unknown {
        name: name.to_owned(),
        known: pages.iter().map(|page| page.name.clone()).collect(),
    })
}

fn write(pages: &[Page], dir: &Path) -> Result<(), ManError> {
    for page in pages {
        let path = dir.join(format!("{}.{}", page.name, page.section));
        fs::write(&path, &page.text).map_err(|source| ManError::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn a_page_is_found_by_its_verb() {
        let pages = manual::pages(Cli::command());
        assert_eq!(find(&pages, "status").unwrap().name, "vtep-gateway-status");
        assert_eq!(find(&pages, "vtep-gateway-status").unwrap().name, "vtep-gateway-status");
        assert_eq!(find(&pages, "vtep-gateway.toml").unwrap().section, 5);
    }

    #[test]
    fn the_error_of_an_unknown_page_lists_the_others() {
        let error = find(&manual::pages(Cli::command()), "frobnicate").unwrap_err().to_string();
        assert!(error.starts_with("there is no manual page \"frobnicate\"; there are vtep-gateway, "), "{error}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = write(&manual::pages(Cli::command()), Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the manual page /nonexistent/vtep-gateway"), "{error}");
    }
}
