//! Measures what the gateway costs a packet, beside what it can be compared with.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use lab::Lab;

#[path = "../../../../gateway-ebpf/bench/abi.rs"]
#[expect(dead_code, reason = "the programs use more of it")]
mod abi;
mod ends;
mod gateway;
mod rig;
mod traffic;

use ends::{Ends, Way};
use gateway::{Gateway, Hook, Scale};
use rig::{Rig, Wire};
use traffic::{Direction, Traffic};

#[derive(Parser)]
struct Cli {
    /// The object with the benchmark's own programs
    #[arg(long)]
    object: PathBuf,
    #[arg(long, default_value_t = 8)]
    rounds: u32,
    #[arg(long, default_value_t = 100_000)]
    frames: u32,
    #[arg(long, default_value_t = 64)]
    flows: u32,
    #[arg(long, default_value_t = 64)]
    stations: u32,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &{
        let mut set = nix::sched::CpuSet::new();
        set.set(0)?;
        set
    })?;
    let lab = Lab::new()?;
    let mut ends = Ends::load(&cli.object)?;
    let direct = Rig::new(&lab, "direct")?;
    ends.sink_frames(&direct)?;
    // Where frames go in at the inner end, it is the outer one that receives.
    let limit = Rig::new(&lab, "limit")?;
    for wire in Wire::ALL {
        ends.attach_xdp(&limit, "limit_xdp", wire.inner())?;
    }
    ends.sink_frames(&limit)?;
    let least = Rig::new(&lab, "least")?;
    ends.attach_xdp(&least, "least_decap", Wire::Underlay.inner())?;
    ends.attach_xdp(&least, "least_encap", Wire::Access.inner())?;
    ends.attach_xdp(&least, "limit_xdp", Wire::Other.inner())?;
    ends.sink_frames(&least)?;
    let rig = Rig::new(&lab, "xdp")?;
    let stations = cli.stations;
    let xdp = Gateway::new(&mut ends, rig, Hook::Xdp, Scale { stations, ..Scale::default() })?;
    for direction in [Direction::Decap, Direction::Encap, Direction::Local] {
        let traffic = Traffic {
            flows: cli.flows,
            stations: stations.min(cli.flows.next_power_of_two()),
            ..Traffic::known(direction)
        };
        let subjects = [
            (&direct, Way::direct(direction)),
            (&limit, Way::through(direction, false)),
            (&least, Way::through(direction, true)),
            (&xdp.rig, Way::through(direction, true)),
        ];
        let mut all = vec![vec![]; 4];
        for _ in 0..cli.rounds {
            for (at, (rig, way)) in subjects.iter().enumerate() {
                let run = ends.send(rig, way, &traffic, cli.frames)?;
                if run.good != run.sent && !(at == 2 && direction == Direction::Local) && all[at].is_empty() {
                    println!("{direction:?} {at}: {run:?}");
                }
                all[at].push(run.ns as f64);
            }
        }
        let medians: Vec<f64> = all
            .iter_mut()
            .map(|all| {
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            })
            .collect();
        let low: Vec<f64> = all.iter().map(|all| all[0]).collect();
        let ratio = |m: &[f64]| (m[3] - m[0]) / (m[1] - m[0]);
        println!(
            "{direction:?} median {medians:.1?} ratio {:.2}; min {low:.1?} own limit {:.1} least {:.1} gw {:.1} ratio {:.2}",
            ratio(&medians),
            low[1] - low[0],
            low[2] - low[0],
            low[3] - low[0],
            ratio(&low)
        );
    }
    println!("drops {:?}", xdp.maps.drops()?);
    println!("paths {:?}", xdp.maps.paths()?);
    Ok(())
}
