//! Output of the demos: the gateway at work, on the terminal.

use std::{fs, process::Output};

use anyhow::{Context, Result, ensure};
use gateway_common::counters::{DropReason, PathCounter};
use lab::{
    Host,
    crossing::{EXT, VM},
    gateway::Gateway,
    throughput::{self, Direction},
};

/// The hosts of a demo.
pub(crate) struct Cast<'a> {
    pub(crate) gateway: &'a Gateway,
    /// [`VM`].
    pub(crate) vm: &'a Host,
    /// [`EXT`].
    pub(crate) ext: &'a Host,
}

impl Cast<'_> {
    pub(crate) fn traffic(&self) -> Result<()> {
        let (vm, ext) = (VM.v4().to_string(), EXT.v4().to_string());

        heading("ARP: the VM asks who has the outside address");
        self.vm.wait_reaches(&ext)?;
        say(self.vm, &format!("ip neigh show {ext}"), usize::MAX)?;
        ensure!(self.vm.neighbour(EXT.v4().into()) == Some(EXT.mac()), "another host answered");
        println!("  That is the address of the outside host itself: the two are on one network.");

        heading("Ping, both ways");
        tail(self.vm, &format!("ping -n -c 5 -i 0.2 {ext}"))?;
        tail(self.ext, &format!("ping -n -c 5 -i 0.2 {vm}"))?;

        heading("TCP with iperf3, both ways, 3 seconds each");
        let before = self.gateway.read().paths()?;
        for (direction, name) in [(Direction::Forward, "vm -> ext"), (Direction::Reverse, "ext -> vm")] {
            let rate = throughput::tcp(self.vm, self.ext, &ext, 3, direction)?;
            println!("  {name}  {:>6.0} Mbit/s", rate / 1e6);
        }
        let after = self.gateway.read().paths()?;
        let (encap, decap) = (after.xdp_encap - before.xdp_encap, after.xdp_decap - before.xdp_decap);
        let beside = (after.tc_encap + after.tc_decap) - (before.tc_encap + before.tc_decap);
        println!("  {encap} frames went into the tunnel and {decap} came out of it, in XDP;");
        println!("  {beside} took the slower way through TC.");
        ensure!(encap > 0 && decap > 0, "no traffic crossed in XDP");
        ensure!(beside == 0, "known unicast left XDP");
        Ok(())
    }

    pub(crate) fn maps(&self) -> Result<()> {
        let maps = self.gateway.pin_dir().join("maps");
        heading("The forwarding database, as bpftool shows it");
        say(self.gateway.host(), &format!("bpftool map dump pinned {}", maps.join("fdb").display()), 20)?;

        heading("The counters of the maps `paths` and `drops`, where not zero");
        let readings = self.gateway.read();
        let (paths, drops) = (readings.paths()?, readings.drops()?);
        let paths = PathCounter::ALL.iter().map(|which| (which.name(), paths.get(*which), which.text()));
        let drops = DropReason::ALL.iter().map(|which| (which.name(), drops.get(*which), which.text()));
        for (name, count, text) in paths.chain(drops).filter(|(_, count, _)| *count > 0) {
            println!("  {count:>8}  {name:<12}  {}", first_words(text, 52));
        }
        Ok(())
    }

    /// Prints how to look around; `underlay` is the machine and NIC that carries VXLAN.
    pub(crate) fn ways_around(&self, underlay: (&Host, &str)) {
        let prefix = self.vm.prefix().join(" ");
        let gateway = self.gateway.host().prefix().join(" ");
        let pins = self.gateway.pin_dir().display();
        let directory = self.vm.lab().directory();
        heading("It stays up. To look around:");
        println!("  {prefix} ping {}", EXT.v4());
        println!("  {} tcpdump -nei {}", underlay.0.prefix().join(" "), underlay.1);
        println!("  {} tcpdump -nei eth0", self.ext.prefix().join(" "));
        println!("  {gateway} bpftool net show");
        println!("  bpftool map dump pinned {pins}/maps/paths");
        println!("  ls {pins}/maps {pins}/links");
        println!("  cat {}", self.gateway.file().display());
        println!("  tail -f {}", directory.join("gw-vtep-gateway.log").display());
        if let Some(pid) = self.gateway.pid() {
            println!("  kill {pid}    # stops the agent; traffic goes on");
        }
    }
}

/// Prints the configuration of `name`, a gateway that has just been started.
pub(crate) fn configuration(gateway: &Gateway, name: &str) -> Result<()> {
    heading(&format!("{name} is configured with"));
    fs::read_to_string(gateway.file())?.lines().for_each(|line| println!("  {line}"));
    println!("  and is ready, process {}.", gateway.pid().unwrap_or_default());
    Ok(())
}

pub(crate) fn heading(text: &str) {
    println!("\n== {text}");
}

/// Prints the commands of a demo, and returns their output.
fn run(host: &Host, command: &str) -> Result<Vec<String>> {
    println!("  {}$ {command}", host.name());
    let Output { stdout, .. } = host.run(command).context("a command of the demo")?;
    Ok(String::from_utf8_lossy(&stdout).lines().map(String::from).collect())
}

/// Runs a command, and prints the first lines of its output.
fn say(host: &Host, command: &str, most: usize) -> Result<()> {
    let lines = run(host, command)?;
    show(lines.iter().take(most).map(String::as_str));
    if lines.len() > most {
        println!("  ... and {} more lines", lines.len() - most);
    }
    Ok(())
}

/// Runs a command, and prints its last two lines.
fn tail(host: &Host, command: &str) -> Result<()> {
    let lines = run(host, command)?;
    show(lines[lines.len().saturating_sub(2)..].iter().map(String::as_str));
    Ok(())
}

/// Prints the lines of a program, except empty ones.
pub(crate) fn show<'a>(lines: impl IntoIterator<Item = &'a str>) {
    for line in lines.into_iter().filter(|line| !line.trim().is_empty()) {
        println!("  {}", line.replace('\t', "  "));
    }
}

/// Returns as many whole words of `text` as fit in `width` columns.
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
