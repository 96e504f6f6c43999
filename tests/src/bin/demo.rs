//! Shows vtep-gateway at work: a VM behind a VXLAN tunnel and a host in a VLAN talk as if on one switch.

use std::{
    fs,
    process::{ExitCode, Output},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gateway_common::counters::{DropReason, PathCounter};
use lab::{
    Host,
    crossing::{Crossing, EXT, Plan, Site, VLAN, VM, VNI},
    sweep,
    throughput::{self, Direction},
};
use nix::sys::signal::{SigSet, Signal};

const PICTURE: &str = "
      a network of a cloud                               a VLAN outside of it
  ┌────┐    ┌────┐   VXLAN 5001   ┌─────────┐   VLAN 100   ┌────┐    ┌─────┐
  │ vm ├────┤ hv ╞════════════════╡   gw    ├──────────────┤ sw ├────┤ ext │
  └────┘    └────┘                └─────────┘              └────┘    └─────┘
 10.0.0.11   Linux  172.31.0.0/24   vtep-      tagged       Open    10.0.0.101
             vxlan                  gateway    frames      vSwitch  untagged
";

/// Lays out a small cloud and a VLAN in network namespaces, joins them with the gateway, and shows traffic crossing.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Cli {
    /// Leave everything up, and tell how to look around
    #[arg(long)]
    keep: bool,
    /// Take down what `--keep` left up
    #[arg(long, value_name = "ID")]
    down: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.down {
        Some(id) => sweep::remove(id).map(|()| println!("{id} is down.")),
        None => show(cli.keep),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if INTERRUPTED.load(Ordering::SeqCst) => {
            // The thread that takes the lab down ends the process.
            thread::park();
            ExitCode::FAILURE
        }
        Err(trouble) => {
            eprintln!("\nThe demo failed: {trouble:#}");
            ExitCode::FAILURE
        }
    }
}

fn show(keep: bool) -> Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block()?;
    println!("vtep-gateway makes one network of VXLAN {VNI} and VLAN {VLAN}.\n{PICTURE}");
    println!("Each box is a network namespace. Laying them out ...");

    let site = Site::build(Plan { ovs: true, ..Plan::default() })?;
    take_down_on(signals, site.lab.id().to_string());
    let config = site.config();
    let mut demo = site.start(config)?;
    configuration(&demo)?;
    traffic(&demo)?;
    maps(&demo)?;
    if keep {
        demo.gateway.leave();
        if let Some(ovs) = &mut demo.ovs {
            ovs.leave();
        }
        demo.lab.keep()?;
        ways_around(&demo);
    } else {
        println!("\nTaking it all down. `cargo xtask demo --keep` leaves it up to look around.");
    }
    Ok(())
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes the lab down when one of `signals`, which no thread takes otherwise, asks the demo to end.
fn take_down_on(signals: SigSet, id: String) {
    thread::spawn(move || {
        if signals.wait().is_ok() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            eprintln!("\nInterrupted, taking it down.");
            if let Err(trouble) = sweep::remove(&id) {
                eprintln!("{trouble:#}");
            }
            std::process::exit(130);
        }
    });
}

fn configuration(demo: &Crossing) -> Result<()> {
    heading("The gateway is told");
    fs::read_to_string(demo.gateway.file())?.lines().for_each(|line| println!("  {line}"));
    println!("  and says it is ready, process {}.", demo.gateway.pid().unwrap_or_default());
    Ok(())
}

fn traffic(demo: &Crossing) -> Result<()> {
    let (vm, ext) = (VM.v4().to_string(), EXT.v4().to_string());

    heading("ARP: the VM asks who has the outside address");
    demo.vm.wait_reaches(&ext)?;
    say(&demo.vm, &format!("ip neigh show {ext}"), usize::MAX)?;
    ensure!(demo.vm.neighbour(EXT.v4().into()) == Some(EXT.mac()), "somebody else answered");
    println!("  That is the address of the outside host itself: the two are on one network.");

    heading("Ping, both ways");
    tail(&demo.vm, &format!("ping -n -c 5 -i 0.2 {ext}"))?;
    tail(&demo.ext, &format!("ping -n -c 5 -i 0.2 {vm}"))?;

    heading("TCP with iperf3, both ways, 3 seconds each");
    let before = demo.gateway.read().paths()?;
    for (direction, name) in [(Direction::Forward, "vm -> ext"), (Direction::Reverse, "ext -> vm")] {
        let rate = throughput::tcp(&demo.vm, &demo.ext, &ext, 3, direction)?;
        println!("  {name}  {:>6.0} Mbit/s", rate / 1e6);
    }
    let after = demo.gateway.read().paths()?;
    let (encap, decap) = (after.xdp_encap - before.xdp_encap, after.xdp_decap - before.xdp_decap);
    let beside = (after.tc_encap + after.tc_decap) - (before.tc_encap + before.tc_decap);
    println!("  {encap} frames went into the tunnel and {decap} came out of it, in XDP;");
    println!("  {beside} took the slower way through TC.");
    ensure!(encap > 0 && decap > 0, "no traffic crossed in XDP");
    ensure!(beside == 0, "known unicast left XDP");
    Ok(())
}

fn maps(demo: &Crossing) -> Result<()> {
    let maps = demo.gateway.pin_dir().join("maps");
    heading("The forwarding database, as bpftool shows it");
    say(&demo.gw, &format!("bpftool map dump pinned {}", maps.join("fdb").display()), 20)?;

    heading("The counters of the maps `paths` and `drops`, where not zero");
    let readings = demo.gateway.read();
    let (paths, drops) = (readings.paths()?, readings.drops()?);
    let paths = PathCounter::ALL.iter().map(|which| (which.name(), paths.get(*which), which.text()));
    let drops = DropReason::ALL.iter().map(|which| (which.name(), drops.get(*which), which.text()));
    for (name, count, text) in paths.chain(drops).filter(|(_, count, _)| *count > 0) {
        println!("  {count:>8}  {name:<12}  {}", first_words(text, 52));
    }
    Ok(())
}

fn ways_around(demo: &Crossing) {
    let (id, prefix) = (demo.lab.id(), demo.vm.prefix().join(" "));
    let gateway = demo.gw.prefix().join(" ");
    let pins = demo.gateway.pin_dir().display();
    let file = demo.gateway.file().display();
    let directory = demo.lab.directory();
    heading("It stays up. To look around:");
    println!("  {prefix} ping {}", EXT.v4());
    println!("  {} tcpdump -nei u0", demo.hv.host().prefix().join(" "));
    println!("  {} tcpdump -nei eth0", demo.ext.prefix().join(" "));
    println!("  {gateway} bpftool net show");
    println!("  bpftool map dump pinned {pins}/maps/paths");
    println!("  ls {pins}/maps {pins}/links");
    println!("  cat {file}");
    println!("  tail -f {}", directory.join("gw-vtep-gateway.log").display());
    if let Some(pid) = demo.gateway.pid() {
        println!("  kill {pid}    # stops the agent; traffic goes on");
    }
    println!("To take it down:\n  cargo xtask demo --down {id}");
}

fn heading(text: &str) {
    println!("\n== {text}");
}

fn run(host: &Host, command: &str) -> Result<Vec<String>> {
    println!("  {}$ {command}", host.name());
    let Output { stdout, .. } = host.run(command).context("a command of the demo")?;
    Ok(String::from_utf8_lossy(&stdout).lines().map(String::from).collect())
}

/// Runs a command, and shows the first lines of what it says.
fn say(host: &Host, command: &str, most: usize) -> Result<()> {
    let lines = run(host, command)?;
    for line in lines.iter().take(most) {
        println!("  {}", line.replace('\t', "  "));
    }
    if lines.len() > most {
        println!("  ... and {} more lines", lines.len() - most);
    }
    Ok(())
}

/// Runs a command, and shows its last two lines.
fn tail(host: &Host, command: &str) -> Result<()> {
    let lines = run(host, command)?;
    lines[lines.len().saturating_sub(2)..].iter().for_each(|line| println!("  {line}"));
    Ok(())
}

/// As many whole words of `text` as fit in `width` columns.
fn first_words(text: &str, width: usize) -> String {
    if text.len() <= width {
        return text.into();
    }
    let mut short = String::new();
    for word in text.split(' ') {
        if short.len() + word.len() + 4 > width {
            break;
        }
        short.push_str(word);
        short.push(' ');
    }
    short + "..."
}
