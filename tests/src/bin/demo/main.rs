//! Shows vtep-gateway at work: a VM behind a VXLAN tunnel and a host in a VLAN talk as if on one switch.

mod ha;
mod linux;
mod ovn;
mod show;

use std::{
    cell::Cell,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::Result;
use clap::Parser;
use lab::{Lab, process, sweep};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Lays out a small cloud and a VLAN in network namespaces, joins them with the gateway, and shows traffic crossing.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Cli {
    /// A cloud of real OVN, which drives the gateway
    #[arg(long)]
    ovn: bool,
    /// Two gateways that stand in for each other, and what happens when one goes
    #[arg(long, conflicts_with = "ovn")]
    ha: bool,
    /// Leave everything up, and print how to look around
    #[arg(long)]
    keep: bool,
    /// Take down what `--keep` left up
    #[arg(long, value_name = "ID", exclusive = true)]
    down: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.down {
        Some(id) => sweep::remove(id).map(|()| println!("{id} is down.")),
        None => Stay::new(&cli).and_then(|stay| match (cli.ovn, cli.ha) {
            (true, _) => ovn::show(&stay),
            (_, true) => ha::show(&stay),
            _ => linux::show(&stay),
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if INTERRUPTED.load(Ordering::SeqCst) => {
            // The thread that removes the lab ends the process.
            thread::park();
            ExitCode::FAILURE
        }
        Err(trouble) => {
            eprintln!("\nThe demo failed: {trouble:#}");
            ExitCode::FAILURE
        }
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lifetime of the lab: until the demo ends or is interrupted, or until the lab is removed by name.
struct Stay {
    keep: bool,
    command: &'static str,
    /// Held until a thread takes them. Signals are handled rather than blocked: processes that `--keep` leaves running
    /// would inherit blocked ones.
    signals: Cell<Option<Signals>>,
}

impl Stay {
    fn new(cli: &Cli) -> Result<Self> {
        process::inherit_nothing()?;
        let signals = Cell::new(Some(Signals::new([SIGINT, SIGTERM, SIGHUP])?));
        let command = match (cli.ovn, cli.ha) {
            (true, _) => "cargo xtask demo --ovn --keep",
            (_, true) => "cargo xtask demo --ha --keep",
            _ => "cargo xtask demo --keep",
        };
        Ok(Self { keep: cli.keep, command, signals })
    }

    /// Removes the lab when a signal ends the demo.
    fn guard(&self, lab: &Lab) {
        let (Some(mut signals), id) = (self.signals.take(), lab.id().to_string()) else { return };
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                INTERRUPTED.store(true, Ordering::SeqCst);
                eprintln!("\nInterrupted, taking it down.");
                if let Err(trouble) = sweep::remove(&id) {
                    eprintln!("{trouble:#}");
                }
                std::process::exit(130);
            }
        });
    }

    /// Concludes the demo.
    fn conclude(&self, lab: &Lab) -> Result<()> {
        if self.keep {
            lab.keep()?;
            println!("To take it down:\n  cargo xtask demo --down {}", lab.id());
        } else {
            println!("\nTaking it all down. `{}` leaves it up to look around.", self.command);
        }
        Ok(())
    }
}
