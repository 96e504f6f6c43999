//! Runs one scenario on a server that has booted.

use anyhow::{Context, Result, ensure};

use super::{
    fabric::Fabric,
    network::{self, Bond},
    outcome::Outcome,
    scenario::{Event, Scenario},
    server::Server,
    settings::Settings,
    traffic, unit,
};
use crate::{
    crossing::{EXT, VM},
    flow::Flow,
    wait::Stopwatch,
};

/// Runs a scenario: network, gateway, traffic, events, and the way back. `progress` is told each step.
pub fn run(server: &mut Server, fabric: &mut Fabric, scenario: &Scenario, progress: impl Fn(&str)) -> Outcome {
    let watch = Stopwatch::start();
    let mut outcome = Outcome::new(scenario, server.release());
    if let Err(trouble) = steps(server, fabric, scenario, &mut outcome, progress) {
        outcome.failures.push(format!("{trouble:#}"));
        // The next scenario finds no remains of this one.
        let _ = unit::detach(server);
    }
    outcome.seconds = watch.elapsed().as_secs_f32();
    outcome
}

fn steps(
    server: &mut Server,
    fabric: &mut Fabric,
    scenario: &Scenario,
    outcome: &mut Outcome,
    progress: impl Fn(&str),
) -> Result<()> {
    let Scenario { uplink, access, mtu, carried, events, .. } = scenario;
    progress("network");
    fabric.set_mtu(mtu.of_hosts())?;
    fabric.set_partners(uplink.bond(), access.bond())?;
    let _tagged = uplink.is_tagged().then(|| fabric.tag_underlay(network::UNDERLAY_VLAN)).transpose()?;
    let script = network::script(*uplink, *access, mtu.of_uplink(), mtu.of_access());
    server.write("/etc/lab-network", "755", &script)?;
    server.run("/etc/lab-network").context("setting up the network")?;
    for (bond, name) in [(uplink.bond(), uplink.name()), (access.bond(), access.name())] {
        if bond == Some(Bond::Lacp) {
            server.run(&network::wait_aggregated(name)).with_context(|| format!("{name} does not aggregate"))?;
        }
    }
    fabric.hv.host().forget_neighbours()?;
    let before = Settings::read(server)?;

    progress("gateway");
    unit::start(server, fabric, scenario)?;
    traffic::wait_reaches(fabric)?;

    progress("traffic");
    if let Err(trouble) = traffic::check(fabric, mtu.of_hosts()) {
        outcome.failures.push(format!("{trouble:#}"));
    }
    let first = unit::counters(server)?;
    if let Err(trouble) = traffic::count(fabric) {
        outcome.failures.push(format!("{trouble:#}"));
    }
    let second = unit::counters(server)?;
    outcome.decap = outcome.carried("decapsulation", carried.0, unit::carrier(&first, &second, "decap"));
    outcome.encap = outcome.carried("encapsulation", carried.1, unit::carrier(&first, &second, "encap"));
    outcome.problems = unit::problems(server)?;

    for &event in *events {
        progress(&format!("{event:?}"));
        let done = happen(server, fabric, event).with_context(|| format!("{event:?}"));
        if let Err(trouble) = done {
            outcome.failures.push(format!("{trouble:#}"));
        }
    }

    progress("detach");
    unit::detach(server)?;
    let changed = Settings::read(server)?.changed_since(&before);
    outcome.failures.extend(changed.into_iter().map(|fact| format!("not as it was before: {fact}")));
    Ok(())
}

/// Makes an event happen and checks what it promises.
fn happen(server: &mut Server, fabric: &Fabric, event: Event) -> Result<()> {
    match event {
        Event::Restart => lossless(fabric, || server.run("systemctl restart vtep-gateway").map(drop)),
        Event::Upgrade => lossless(fabric, || server.install().map(drop)),
        Event::Reboot => {
            server.run("systemctl enable vtep-gateway")?;
            server.reboot()?;
            server.run("systemctl disable vtep-gateway")?;
            traffic::wait_reaches(fabric)
        }
        Event::MemberFails => {
            server.set_link(2, false)?;
            server.run("until [ \"$(cat /sys/class/net/nic2/carrier)\" = 0 ]; do sleep 0.1; done")?;
            let failed_over = traffic::wait_reaches(fabric);
            server.set_link(2, true)?;
            failed_over?;
            traffic::wait_reaches(fabric)
        }
        Event::MemberLeaves => {
            server.run("ip link set nic2 nomaster")?;
            traffic::wait_reaches(fabric)?;
            server.run("ip link set nic2 down; ip link set nic2 master bond-a")?;
            traffic::wait_reaches(fabric)?;
            traffic::count(fabric).map(drop)
        }
    }
}

/// Does something amid numbered packets both ways, of which none may be lost.
fn lossless(fabric: &Fabric, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let flows =
        [Flow::slow(&fabric.vm, &fabric.ext, EXT.v4().into())?, Flow::slow(&fabric.ext, &fabric.vm, VM.v4().into())?];
    flows.iter().try_for_each(|flow| flow.wait_more(100))?;
    let done = work();
    flows.iter().try_for_each(|flow| flow.wait_more(100))?;
    done?;
    for flow in flows {
        let tally = flow.finish()?;
        let (lost, sent, twice) = (tally.lost.len(), tally.sent, tally.doubled);
        ensure!(tally.is_whole(), "of {sent} packets {lost} were lost and {twice} came twice");
    }
    Ok(())
}
