//! Measures vtep-gateway and tells the numbers.

mod control;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures vtep-gateway in network namespaces on this machine. The numbers hold for it and for how busy it is.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The way from the database to the maps
    Control {
        /// Remote MACs
        #[arg(long, default_value_t = 100_000)]
        macs: u32,
        /// Single changes to measure
        #[arg(long, default_value_t = 200)]
        changes: u32,
        /// Seconds to watch the agent at rest
        #[arg(long, default_value_t = 30)]
        rest: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> Result<()> {
    match Cli::parse().what {
        What::Control { macs, changes, rest, json } => {
            let options = control::Options { macs, changes, rest: std::time::Duration::from_secs(rest) };
            let numbers = control::measure(&options)?;
            let value = serde_json::to_value(&numbers)?;
            if json {
                println!("{value}");
            } else {
                for (name, number) in value.as_object().into_iter().flatten() {
                    println!("{name:32} {number}");
                }
            }
        }
    }
    Ok(())
}
