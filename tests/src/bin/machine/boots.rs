//! Boots a server for each kind of hardware among the scenarios, and runs its scenarios on it.

use anyhow::{Context, Result};
use lab::{
    machine::{
        fabric::Fabric,
        image,
        outcome::Outcome,
        scenario::Scenario,
        server::{Parts, Server},
        trial,
    },
    wait::Stopwatch,
};

use crate::Cli;

/// Runs the scenarios in their order, and returns the results.
pub(crate) fn run(cli: &Cli, scenarios: &[&'static Scenario]) -> Result<Vec<Outcome>> {
    let package = cli.package.as_ref().context("no package to install is named: `cargo xtask machine` makes one")?;
    let watch = Stopwatch::start();
    let root = image::root(&cli.files)?;
    let mut outcomes = Vec::new();
    let groups: Vec<_> = scenarios.chunk_by(|a, b| a.shares_boot(b)).collect();
    for (index, group) in groups.iter().enumerate() {
        let first = group[0];
        let say = |text: &str| {
            if !cli.json {
                println!("[{:6.1}] {text}", watch.elapsed().as_secs_f32());
            }
        };
        let mut fabric = Fabric::build()?;
        let nics = fabric.cable(first.uplink_nic, first.access_nic)?;
        let boot = cli.files.join(first.kernel);
        let parts = Parts { name: "server", boot: &boot, root: &root, package, nics: &nics };
        say(&format!("booting Linux {} with NICs: {}", first.kernel, first.nics()));
        let mut server = Server::power_on(&fabric.switch, &parts)?;
        let seconds = server.wait_booted()?;
        say(&format!("booted {} in {seconds:.0} s", server.release()));
        server.install().context("installing the package")?;
        for scenario in *group {
            let outcome =
                trial::run(&mut server, &mut fabric, scenario, |step| say(&format!("{}: {step}", scenario.name)));
            say(&format!("{}: {}", scenario.name, outcome.word()));
            for failure in &outcome.failures {
                say(&format!("    {failure}"));
            }
            for problem in &outcome.problems {
                say(&format!("    status: {problem}"));
            }
            outcomes.push(outcome);
        }
        if cli.keep && index + 1 == groups.len() {
            keep(&mut server, &fabric)?;
        }
    }
    Ok(outcomes)
}

/// Leaves a server running.
fn keep(server: &mut Server, fabric: &Fabric) -> Result<()> {
    fabric.lab.keep()?;
    server.leave();
    let id = fabric.lab.id();
    println!(
        "the server runs on; its console: socat -,raw,echo=0 UNIX:{}\n\
         the hosts: ip netns exec {id}-vm ..., {id}-ext, {id}-hv; the switches and QEMU: {id}-und\n\
         to take it down: cargo xtask machine --down {id}",
        server.directory().join("console").display(),
    );
    Ok(())
}
