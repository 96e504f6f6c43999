//! The demo with two redundant gateways: the events of a node, and their outage.

mod events;
mod live;
mod screen;
mod table;

use anyhow::{Result, bail};
use lab::{
    cluster::{Pair, Plan, World, plan::virtual_address},
    crossing::{EXT, VM},
};

use crate::{
    Stay,
    show::{configuration, heading, show as lines},
};

const PICTURE: &str = "
                                 ┌─────────┐
                              ┌──┤   gw1   ├──┐
  ┌────┐  ┌────┐   VXLAN 5001 │  └─────────┘  │ VLAN 100   ┌────┐   ┌─────┐
  │ vm ├──┤ hv ╞══════════════╡  172.31.0.20  ├────────────┤ sw ├───┤ ext │
  └────┘  └────┘              │  ┌─────────┐  │            └────┘   └─────┘
 10.0.0.11 Linux              └──┤   gw2   ├──┘             Open    10.0.0.101
           vxlan                 └─────────┘              vSwitch
";

/// Seconds between advertisements.
const INTERVAL: f64 = 0.1;

pub(crate) fn show(stay: &Stay) -> Result<()> {
    println!("Two vtep-gateways have one tunnel address, {}, between them.\n{PICTURE}", virtual_address());
    println!("Each box is a network namespace. Laying them out ...");

    let plan = Plan::interval(INTERVAL);
    let mut pair = Pair::linux(&plan)?;
    stay.guard(&pair.lab);
    pair.start()?;
    configurations(&mut pair)?;

    heading("Now it is watched while things happen");
    println!("  vm ({}) and ext ({}) send each other some 1000 numbered packets", VM.v4(), EXT.v4());
    println!("  a second, and 100 broadcasts. A node forwards while it has a lease, which its");
    println!("  advertisements renew.");
    let results = events::run(&mut pair, &plan)?;
    heading("What it cost");
    table::print(&results);
    if let Some(trouble) = results.iter().find_map(table::Outcome::trouble) {
        bail!("{trouble}");
    }
    println!("\nHow to set it up, also with OVN, and how it works: docs/HIGH-AVAILABILITY.md");
    println!("More of what can happen, measured: cargo test -p gateway-tests --test failover");
    if stay.keep {
        leave(&mut pair)?;
    }
    stay.conclude(&pair.lab)
}

/// Prints the configuration of the nodes.
fn configurations(pair: &mut Pair) -> Result<()> {
    let [one, two] = &mut pair.members;
    configuration(one.gateway()?, "gw1")?;
    let (one, two) = (one.config.to_string(), two.config.to_string());
    heading("gw2 has the same but for");
    lines(two.lines().filter(|line| one.lines().all(|other| other != *line)));
    Ok(())
}

/// Keeps everything, and prints how to look around.
fn leave(pair: &mut Pair) -> Result<()> {
    let directory = pair.lab.directory();
    heading("It stays up. To look around:");
    println!("  {} ping {}", pair.vm.prefix().join(" "), EXT.v4());
    let mut commands = [const { Vec::new() }; 4];
    for member in &mut pair.members {
        let (prefix, name) = (member.host.prefix().join(" "), member.host.name().to_owned());
        let gateway = member.gateway()?;
        let file = gateway.file().display();
        commands[0].push(format!("vtep-gateway status --config {file}"));
        commands[1].push(format!("vtep-gateway handover --config {file}"));
        commands[2].push(format!("{prefix} tcpdump -nvi u0 vrrp"));
        commands[3].push(format!("tail -f {}", directory.join(format!("{name}-vtep-gateway.log")).display()));
        gateway.leave();
    }
    for command in commands.iter().flatten() {
        println!("  {command}");
    }
    println!("  `vtep-gateway` is {}", lab::gateway::binary()?);
    if let World::Linux { outside, .. } = &mut pair.world {
        outside.leave();
    }
    Ok(())
}
