//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::{control, rounds::Effort};

/// Path at which `cargo xtask build-ebpf` leaves the benchmark's own programs.
const OBJECT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../target/ebpf/bpfel-unknown-none/release/vtep-gateway-bench");

/// Measures what the gateway costs a packet, side by side with what it can be compared with.
///
/// Frames are made and counted by programs in the kernel, and all subjects get the same ones in turns. Times are the mean
/// of the quickest quarter of all rounds, and without what source and sink take. Needs root, and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Cli {
    /// Fewer rounds: about a minute, not about ten
    #[arg(long)]
    pub(crate) quick: bool,
    /// Give the result as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure only these parts
    #[arg(long, value_delimiter = ',', value_name = "PART,...")]
    only: Vec<Part>,
    /// Rounds; half as many where there is much to compare
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Frames that each subject gets in a round
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..10_000_000))]
    frames: Option<u32>,
    /// Remote MACs for the control plane
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..900_000))]
    macs: u32,
    /// Seconds to watch the agent at rest
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..3600))]
    rest: Option<u64>,
    /// The object with the benchmark's own programs
    #[arg(long, default_value = OBJECT, hide_default_value = true)]
    pub(crate) object: PathBuf,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// From tunnels to VLANs: all subjects side by side
    Decap,
    /// From VLANs to tunnels: all subjects side by side
    Encap,
    /// From VLAN to VLAN: all subjects side by side
    Local,
    /// Other sizes of frames, for those
    Sizes,
    /// Open vSwitch, beside those
    Ovs,
    /// More MACs, flows, bindings, VTEPs; learning
    Scale,
    /// A second CPU
    Cpus,
    /// Latency added
    Latency,
    /// Broadcasts
    Flood,
    /// The programs, each on its own
    Calls,
    /// Memory of the maps
    Memory,
    /// 100,000 MACs from the database to the maps, one more, and the agent at rest
    Control,
}

impl Cli {
    /// Returns the amount of measuring.
    pub(crate) fn effort(&self) -> Effort {
        let (rounds, frames) = if self.quick { (10, 20_000) } else { (80, 30_000) };
        Effort { rounds: self.rounds.unwrap_or(rounds), frames: self.frames.unwrap_or(frames) }
    }

    /// Returns the options of the control plane's measurement.
    pub(crate) fn control(&self) -> control::Options {
        let (changes, rest) = if self.quick { (20, 35) } else { (200, 95) };
        let rest = Duration::from_secs(self.rest.unwrap_or(rest));
        control::Options { macs: self.macs, changes, rest }
    }

    /// Returns true if a part is to be measured.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
