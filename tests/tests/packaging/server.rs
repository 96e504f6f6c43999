//! On a server: systemd starts, watches, reloads and stops the agent, with the restrictions of its unit.

use anyhow::{Context, Result, ensure};
use lab::{
    config::{Config, Vrrp},
    crossing::EXT,
    debian::Init,
    wait::{SOON, wait_for},
};
use nix::sys::signal::Signal;

use crate::{
    packages::{NEW, OLD},
    system::System,
};

/// A property of the unit.
fn property(system: &System, name: &str) -> Result<String> {
    let value = system.debian.run(&format!("systemctl show --value --property {name} vtep-gateway"))?;
    Ok(value.trim().to_owned())
}

fn is_active(system: &System) -> Result<bool> {
    Ok(property(system, "ActiveState")? == "active")
}

#[test]
fn a_life_on_a_server_forwards_upgrades_and_leaves_nothing() -> Result<()> {
    let system = System::boot(Init::Systemd)?;
    system.install(OLD)?;
    ensure!(property(&system, "UnitFileState")? == "disabled" && !is_active(&system)?, "it was started unasked");
    let unset = system.debian.attempt("vtep-gateway check-config")?;
    ensure!(unset.status.code() == Some(2), "the default has something in force: {unset:?}");

    system.configure()?;
    if let Err(trouble) = system.debian.run("systemctl enable --now vtep-gateway") {
        let log = system.debian.run("journalctl --no-pager --unit vtep-gateway")?;
        return Err(trouble.context(log));
    }
    system.wait_reaches()?;
    ensure!(property(&system, "NRestarts")? == "0", "it was started again");

    // An upgrade under traffic, then a crash.
    let old = property(&system, "MainPID")?;
    system.under_traffic(|| system.install(NEW))?;
    let new = property(&system, "MainPID")?;
    ensure!(is_active(&system)? && new != old, "still the old version's agent: {old}");
    let program = system.debian.run(&format!("readlink /proc/{new}/exe"))?;
    ensure!(!program.contains("deleted"), "{program}");

    system.under_traffic(|| {
        system.debian.run(&format!("kill -KILL {new}"))?;
        wait_for("systemd to start the agent again", SOON, || {
            is_active(&system).is_ok_and(|active| active) && property(&system, "MainPID").is_ok_and(|pid| pid != new)
        })
    })?;

    // A reload that takes a binding away.
    system
        .debian
        .run("sed -i 's/^    { port = .*//' /etc/vtep-gateway/gateway.toml && systemctl reload vtep-gateway")?;
    wait_for("the reload to take the binding away", SOON, || !system.site.vm.reaches(&EXT.v4().to_string()))?;
    let log = system.debian.run("journalctl --no-pager --unit vtep-gateway")?;
    ensure!(log.contains("reloaded /etc/vtep-gateway/gateway.toml"), "{log}");

    system.remove_and_purge()
}

#[test]
fn a_configuration_that_the_new_version_does_not_take_leaves_the_old_one_running() -> Result<()> {
    let system = System::boot(Init::Systemd)?;
    system.install(OLD)?;
    system.configure()?;
    system.debian.run("systemctl start vtep-gateway")?;
    system.wait_reaches()?;
    let old = property(&system, "MainPID")?;

    system.debian.run("echo 'frobnicate = 1' >> /etc/vtep-gateway/gateway.toml")?;
    let printed = system.install(NEW)?;
    ensure!(printed.contains("the old version goes on running") && printed.contains("frobnicate"), "{printed}");
    ensure!(is_active(&system)? && property(&system, "MainPID")? == old, "it was stopped");
    system.wait_reaches()
}

#[test]
fn an_agent_that_hangs_is_ended_and_started_again() -> Result<()> {
    let system = System::boot(Init::Systemd)?;
    system.install(OLD)?;
    system.configure()?;
    // The unit's own time is for servers.
    system.debian.run("mkdir -p /run/systemd/system/vtep-gateway.service.d")?;
    system.debian.run(
        "printf '[Service]\\nWatchdogSec=2s\\n' > /run/systemd/system/vtep-gateway.service.d/watchdog.conf && \
         systemctl daemon-reload && systemctl start vtep-gateway",
    )?;
    system.wait_reaches()?;
    let hung = property(&system, "MainPID")?;
    system.under_traffic(|| {
        system.debian.run(&format!("kill -{} {hung}", Signal::SIGSTOP.as_str().trim_start_matches("SIG")))?;
        wait_for("systemd to start the agent again", SOON, || {
            is_active(&system).is_ok_and(|active| active) && property(&system, "MainPID").is_ok_and(|pid| pid != hung)
        })
    })
}

#[test]
fn an_upgrade_of_the_active_node_loses_neither_role_nor_packet() -> Result<()> {
    let system = System::boot(Init::Systemd)?;
    // The tunnel address is the virtual router's; the uplink has another.
    system.site.gw.run("ip address delete 172.31.0.21/24 dev u0")?;
    system.site.gw.address("u0", "172.31.0.31/24")?;
    system.install(OLD)?;
    // A lease of nine seconds: starting an agent that was built for tests, on a busy machine, takes some.
    system.configure_with(|config| config.vrrp(Vrrp::new(51, 3.0).priority(254)))?;
    system.debian.run("systemctl start vtep-gateway")?;
    system.wait_reaches()?;

    let old = property(&system, "MainPID")?;
    let upgraded = system.under_traffic(|| system.install(NEW));
    let log = system.debian.run("journalctl --no-pager --output short-precise --unit vtep-gateway")?;
    upgraded.with_context(|| log.clone())?;
    ensure!(property(&system, "MainPID")? != old, "still the old version's agent: {old}");
    ensure!(log.contains("keeps its role: its lease still runs"), "{log}");
    // With what it had put on the interface, too.
    system.debian.run("dpkg --purge vtep-gateway")?;
    let addresses = String::from_utf8_lossy(&system.site.gw.ip("address show")?.stdout).into_owned();
    ensure!(!addresses.contains("172.31.0.21"), "{addresses}");
    Ok(())
}

#[test]
fn the_unit_bounds_what_the_agent_takes_of_the_machine() -> Result<()> {
    let system = System::boot(Init::Systemd)?;
    system.install(OLD)?;
    let two_gib = (2_u64 << 30).to_string();
    for (name, value) in
        [("MemoryMax", two_gib.as_str()), ("OOMScoreAdjust", "-500"), ("TasksMax", "128"), ("UMask", "0077")]
    {
        ensure!(property(&system, name)? == value, "{name} is {}", property(&system, name)?);
    }
    // An agent lives with that.
    system.configure()?;
    system.debian.run("systemctl start vtep-gateway")?;
    system.wait_reaches()
}

#[test]
fn a_start_that_fails_is_held_back_and_not_tried_twice_a_second() -> Result<()> {
    let system = System::boot(Init::Systemd)?;
    system.install(OLD)?;
    // An operator may yet make the group, so that a later try may succeed.
    system.configure_with(|config| Config { control_group: Some("nobody-made-it".to_owned()), ..config })?;
    system.debian.run("systemctl start --no-block vtep-gateway")?;
    wait_for("the failed start to be held back", SOON, || {
        let log = system.debian.run("journalctl --no-pager --unit vtep-gateway").unwrap_or_default();
        log.contains("held back for 10 s")
    })?;
    ensure!(property(&system, "NRestarts")? == "0", "it was tried again at once");
    ensure!(property(&system, "ActiveState")? == "activating");
    let printed = property(&system, "StatusText")?;
    ensure!(printed.contains("could not start"), "{printed}");
    // An operator who has mended it does not wait.
    system.configure()?;
    system.debian.run("systemctl restart vtep-gateway")?;
    system.wait_reaches()
}
