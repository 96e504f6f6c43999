//! Measures what the gateway costs a packet, beside what it can be compared with.

#[path = "../../../../gateway-ebpf/bench/abi.rs"]
#[expect(dead_code, reason = "the programs use more of it")]
mod abi;
mod compare;
mod cpu;
mod ends;
mod gateway;
mod linux;
mod machine;
mod own;
mod progress;
mod report;
mod rig;
mod rounds;
mod subjects;
mod traffic;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use lab::Lab;

use ends::Ends;
use machine::Machine;
use report::Report;
use rounds::Effort;
use subjects::Subjects;
use traffic::Direction;

/// Measures what the gateway costs a packet, side by side with what it can be compared with.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Cli {
    /// The object with the benchmark's own programs
    #[arg(long)]
    object: PathBuf,
    #[arg(long, default_value_t = 12)]
    rounds: u32,
    #[arg(long, default_value_t = 20_000)]
    frames: u32,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let effort = Effort { rounds: cli.rounds, frames: cli.frames };
    let lab = Lab::new()?;
    let mut ends = Ends::load(&cli.object)?;
    let subjects = Subjects::new(&lab, &mut ends)?;
    let mut compare = |direction| compare::compare(&mut ends, effort, &subjects, direction).map(Some);
    let report = Report {
        machine: Machine::this()?,
        effort,
        decap: compare(Direction::Decap)?,
        encap: compare(Direction::Encap)?,
        local: compare(Direction::Local)?,
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
