//! Runs the gateway on whole servers in QEMU. `cargo xtask machine` builds what this needs, and passes the paths.

mod boots;
mod list;
mod page;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use lab::{machine::outcome, process, sweep};

/// Runs the gateway on whole servers in QEMU: stock kernels, NICs of several models, bonds, VLANs and bridges.
#[derive(Parser)]
#[command(name = "cargo xtask machine")]
struct Cli {
    /// Folder with what servers boot from
    #[arg(long, hide = true, default_value = "target/machine")]
    files: PathBuf,
    /// Install this package [default: one around the unoptimised agent]
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
    /// Write the table of scenarios into this page
    #[arg(long, hide = true, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Only compare the page
    #[arg(long, hide = true, requires = "page")]
    check: bool,
    /// List the scenarios, and run none
    #[arg(long)]
    list: bool,
    /// Run only those of this kernel series, like 6.12
    #[arg(long, value_name = "SERIES")]
    kernel: Option<String>,
    /// Run only those that are part of `cargo xtask test`
    #[arg(long)]
    gate: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Leave the server of the last scenario running, and print how to look around
    #[arg(long)]
    keep: bool,
    /// Take down what `--keep` left running
    #[arg(long, value_name = "ID", exclusive = true)]
    down: Option<String>,
    /// Run only scenarios whose name has this in it
    filter: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(id) = &cli.down {
        return match sweep::remove(id) {
            Ok(()) => ExitCode::SUCCESS,
            Err(trouble) => failed(&trouble),
        };
    }
    if let Some(path) = &cli.page {
        return page::write(path, cli.check).unwrap_or_else(|trouble| failed(&trouble));
    }
    let chosen = list::choose(&cli);
    if chosen.is_empty() {
        eprintln!("no scenario is like that; `cargo xtask machine --list` has all of them");
        return ExitCode::from(2);
    }
    if cli.list {
        print!("{}", list::table(&chosen));
        return ExitCode::SUCCESS;
    }
    if let Err(trouble) = process::inherit_nothing() {
        return failed(&trouble);
    }
    let outcomes = match boots::run(&cli, &chosen) {
        Ok(outcomes) => outcomes,
        Err(trouble) => return failed(&trouble),
    };
    if cli.json {
        match serde_json::to_string_pretty(&outcomes) {
            Ok(text) => println!("{text}"),
            Err(trouble) => return failed(&trouble.into()),
        }
    } else {
        println!("\n{}\n\n{}", outcome::table(&outcomes), outcome::summary(&outcomes));
    }
    if outcomes.iter().all(outcome::Outcome::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(trouble: &anyhow::Error) -> ExitCode {
    eprintln!("error: {trouble:#}");
    ExitCode::FAILURE
}
