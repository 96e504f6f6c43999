//! Measures the cost of the gateway for a packet, beside comparable programs.
//!
//! Signals end it as they end any program. Then the janitor, which waits for the end of this process, removes its labs.

#[path = "../../../../gateway-ebpf/bench/abi.rs"]
#[expect(dead_code, reason = "the programs use more of it")]
mod abi;
mod calls;
mod cli;
mod compare;
mod control;
mod cpu;
mod cpus;
mod ends;
mod flood;
mod gateway;
mod goals;
mod latency;
mod linux;
mod machine;
mod memory;
mod ovs;
mod own;
mod progress;
mod report;
mod rig;
mod rounds;
mod scale;
mod subjects;
mod table;
mod traffic;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use lab::Lab;

use cli::{Cli, Part};
use compare::With;
use ends::Ends;
use machine::Machine;
use report::Report;
use traffic::Direction;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match Report::begin(&cli).and_then(|mut report| {
        let measured = measure(&cli, &mut report);
        // Prints the results of minutes of measuring, even if a later part failed.
        show(&cli, &report)?;
        measured
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            // The text only: with RUST_BACKTRACE set, anyhow's own format adds a backtrace.
            eprintln!("bench: {trouble:#}");
            ExitCode::FAILURE
        }
    }
}

impl Report {
    fn begin(cli: &Cli) -> Result<Self> {
        if !cli.object.is_file() {
            bail!("no {}: `cargo xtask build-ebpf` makes it", cli.object.display());
        }
        Ok(Self::empty(Machine::this()?, cli.effort()))
    }
}

/// Measures the requested parts; the results before a failed part are in the report.
fn measure(cli: &Cli, report: &mut Report) -> Result<()> {
    // First, because it shows whether labs can run here.
    let lab = Lab::new()?;
    let mut ends = Ends::load(&cli.object)?;
    let directions =
        [(Direction::Decap, Part::Decap), (Direction::Encap, Part::Encap), (Direction::Local, Part::Local)];
    let directions: Vec<Direction> =
        directions.into_iter().filter(|(_, part)| cli.wants(*part)).map(|(direction, _)| direction).collect();
    if !directions.is_empty() {
        let with = With { sizes: cli.wants(Part::Sizes), ovs: cli.wants(Part::Ovs) };
        for (direction, compared) in compare::all(&lab, &mut ends, report.effort, &directions, with)? {
            *report.direction(direction) = Some(compared);
        }
    }
    drop(lab);
    if cli.wants(Part::Scale) {
        report.scale = Some(scale::measure(&Lab::new()?, &mut ends, report.effort.half())?);
    }
    if cli.wants(Part::Cpus) {
        report.cpus = cpus::measure(&Lab::new()?, &mut ends, report.effort)?;
    }
    if cli.wants(Part::Latency) {
        report.latency = Some(latency::measure(&Lab::new()?, &mut ends, report.effort.half())?);
    }
    if cli.wants(Part::Flood) {
        report.flood = Some(flood::measure(&Lab::new()?, &mut ends, report.effort.half())?);
    }
    if cli.wants(Part::Calls) {
        report.calls = Some(calls::measure(&Lab::new()?, &mut ends, report.effort)?);
    }
    if cli.wants(Part::Memory) {
        report.memory = Some(memory::measure(&Lab::new()?)?);
    }
    if cli.wants(Part::Control) {
        progress::step("control plane");
        report.control = Some(control::measure(&cli.control())?);
    }
    Ok(())
}

fn show(cli: &Cli, report: &Report) -> Result<()> {
    if cli.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
