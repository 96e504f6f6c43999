//! Developer verbs of vtep-gateway: `cargo xtask VERB`. Each does its own set-up, so their order does not matter.

mod bench;
mod build_ebpf;
mod cargo;
mod child;
mod demo;
mod dist;
mod docs;
mod ebpf;
mod fuzz;
mod instructions;
mod interrupt;
mod machine;
mod setup;
mod test;
mod vm;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, builder::PossibleValuesParser};
use instructions::What;

/// Developer verbs of vtep-gateway. Each installs what it needs and builds what it runs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install whatever the other verbs need on a Debian or Ubuntu machine
    Setup {
        /// Only list what is missing; the exit code is 1 if anything is
        #[arg(long)]
        check: bool,
    },
    /// Build the BPF object, and print its path
    BuildEbpf,
    /// Check style, lints and licences, and run all tests: unit, packets, end to end, other kernels, instructions
    Test {
        /// Leave out the kernels that are booted in QEMU
        #[arg(long)]
        no_vm: bool,
        /// Also run the gateway on whole servers in QEMU: some six minutes more
        #[arg(long, conflicts_with_all = ["no_vm", "filter"])]
        servers: bool,
        /// Run only tests whose name has this in it, and no checks
        filter: Option<String>,
    },
    /// Run the packet tests on other kernels, in QEMU
    Vm {
        /// This kernel series instead of the gate's two; may be repeated
        #[arg(long, value_name = "SERIES", value_parser = PossibleValuesParser::new(vm::names()))]
        kernel: Vec<String>,
        /// Run only tests whose name has this in it
        filter: Option<String>,
    },
    /// Run the gateway on whole servers in QEMU, with the kernels and NIC drivers of a distribution
    Machine {
        /// Passed on to the runner; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Count the instructions that a packet costs on each path, in QEMU, and compare them with those on record
    Instructions {
        /// Put them on record, in place of those that were
        #[arg(long)]
        record: bool,
        /// Print them as JSON, and compare nothing
        #[arg(long, conflicts_with = "record")]
        json: bool,
    },
    /// Feed the parsers with made-up inputs, from the network, the database, clients and files
    Fuzz {
        /// Run each target for this many seconds
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u64,
        /// Run only this target
        target: Option<String>,
    },
    /// Make the Debian package
    Dist(dist::Options),
    /// Write the pages of docs/ that are made from code
    Docs {
        /// Only list which are out of date; the exit code is 1 if any is
        #[arg(long)]
        check: bool,
    },
    /// Lay out a small cloud and a VLAN in network namespaces, and show traffic crossing between them
    Demo {
        /// Passed on to the demo; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Measure what the gateway costs a packet, side by side with the kernel's own devices and Open vSwitch
    Bench {
        /// Passed on to the benchmark; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::watch();
    let root = root();
    let outcome = match cli.verb {
        Verb::Setup { check } => setup::run(check),
        Verb::BuildEbpf => build_ebpf::run(&root),
        Verb::Test { no_vm, servers, filter } => test::run(&root, !no_vm, servers, filter.as_deref()),
        Verb::Vm { kernel, filter } => vm::run(&root, &kernel, filter.as_deref()),
        Verb::Machine { args } => machine::run(&root, &args),
        Verb::Instructions { record, json } => {
            let what = match (record, json) {
                (true, _) => What::Record,
                (_, true) => What::Json,
                _ => What::Compare,
            };
            instructions::run(&root, what)
        }
        Verb::Fuzz { seconds, target } => fuzz::run(&root, target.as_deref(), seconds),
        Verb::Dist(options) => dist::run(&root, &options),
        Verb::Docs { check } => docs::run(&root, check),
        Verb::Demo { args } => demo::run(&root, &args),
        Verb::Bench { args } => bench::run(&root, &args),
    };
    match outcome {
        _ if interrupt::happened() => ExitCode::from(130),
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the workspace's top directory.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
