//! Without systemd, as in a chroot: an operator starts the agent by hand.

use anyhow::{Result, ensure};
use lab::{
    debian::Init,
    process::Process,
    wait::{SOON, wait_for},
};

use crate::{
    packages::{NEW, OLD},
    system::System,
};

fn start(system: &System) -> Result<Process> {
    let mut agent = system.debian.start(&["vtep-gateway", "run"])?;
    agent.wait_line(0, SOON, |line| line.contains("ready"))?;
    Ok(agent)
}

#[test]
fn a_life_without_systemd_forwards_upgrades_and_leaves_nothing() -> Result<()> {
    let system = System::boot(Init::Nothing)?;
    let printed = system.install(OLD)?;
    ensure!(printed.contains("not started yet. Edit /etc/vtep-gateway/gateway.toml"), "{printed}");
    system.configure()?;
    let mut agent = start(&system)?;
    system.wait_reaches()?;

    let mut agent = system.under_traffic(|| {
        let printed = system.install(NEW)?;
        ensure!(printed.contains("the agent that runs is the old version's"), "{printed}");
        ensure!(agent.runs(), "the upgrade ended the agent:\n{}", agent.log());
        system.debian.run("vtep-gateway exit --keep-role")?;
        agent.wait(SOON)?;
        start(&system)
    })?;

    // The agent still runs when the package goes.
    system.remove_and_purge()?;
    wait_for("the agent to end with its package", SOON, || !agent.runs())
}

#[test]
fn a_configuration_that_no_longer_reads_keeps_the_package_while_something_forwards() -> Result<()> {
    let system = System::boot(Init::Nothing)?;
    system.install(OLD)?;
    system.configure()?;
    let mut agent = start(&system)?;
    system.debian.run("vtep-gateway exit")?;
    agent.wait(SOON)?;

    system.debian.write("/etc/vtep-gateway/gateway.toml", "[gateway]\nvtep = 1\n")?;
    let refused = system.debian.attempt("dpkg --remove vtep-gateway")?;
    let printed = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && printed.contains("cannot take the data plane down"), "{printed}");
    ensure!(printed.contains("gateway.toml:2:8"), "{printed}");
    system.wait_reaches()?;

    system.configure()?;
    system.remove_and_purge()
}
