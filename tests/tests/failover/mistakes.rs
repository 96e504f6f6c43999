//! Mistakes of operators, and the reports about them.

use std::thread;

use anyhow::{Result, anyhow, bail};
use lab::{
    cluster::{
        Pair, Plan, World,
        keepalived::{Keepalived, Settings},
    },
    crossing::{EXT, Underlay},
    process::text,
    wait::{SOON, wait_for},
};
use serde_json::Value;

use crate::table::Event;

const VRID: u8 = 20;

fn started() -> Result<Pair> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.start()?;
    Ok(pair)
}

/// Problems of a node's virtual router.
fn problems(router: &Value) -> Vec<String> {
    let all = router["problems"].as_array().into_iter().flatten();
    all.filter_map(|problem| problem.as_str().map(str::to_owned)).collect()
}

fn wait_problem(pair: &Pair, node: usize, parts: &[&str]) -> Result<()> {
    let member = &pair.members[node];
    wait_for(&format!("{} has a problem with {parts:?}", member.host.name()), SOON, || {
        let all = member.router().map(|router| problems(&router)).unwrap_or_default();
        all.iter().any(|problem| parts.iter().all(|part| problem.contains(part)))
    })
}

#[test]
fn another_group_with_the_same_vrid_is_reported_and_changes_no_role() -> Result<()> {
    let pair = started()?;
    let World::Linux { hv, .. } = &pair.world else { bail!("there is no Linux VTEP") };
    let before = pair.members[0].router()?["counters"]["release_master"].clone();
    let settings = Settings::new(Underlay::V4.ip(99), 200, 0.1);
    let _other = Keepalived::start(hv.host(), &settings)?;
    for node in 0..2 {
        wait_problem(&pair, node, &["same VRID", "172.31.0.99", &hv.vtep().to_string()])?;
    }
    assert_eq!(pair.members[0].role(VRID).as_deref(), Some("active"));
    assert_eq!(pair.members[1].role(VRID).as_deref(), Some("backup"));
    assert_eq!(pair.members[0].router()?["counters"]["release_master"], before);
    pair.vm.wait_reaches(&EXT.v4().to_string())
}

#[test]
fn of_equal_priorities_one_is_active_and_both_warn() -> Result<()> {
    let mut pair = Pair::linux(&Plan { priorities: [100, 100], ..Plan::steady() })?;
    pair.start()?;
    wait_problem(&pair, 1, &["same priority 100"])?;
    pair.members[0].wait_role(VRID, "active")?;
    pair.members[1].wait_role(VRID, "backup")?;
    pair.hand_over(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    pair.members[0].wait_role(VRID, "backup")?;
    wait_problem(&pair, 0, &["same priority 100"])
}

/// Both wait equally long for another node.
#[test]
fn of_two_with_equal_priorities_that_start_together_one_is_active() -> Result<()> {
    let mut pair = Pair::linux(&Plan { priorities: [100, 100], ..Plan::steady() })?;
    let probes = pair.probes()?;
    let [one, two] = &mut pair.members;
    thread::scope(|scope| {
        let one = scope.spawn(|| one.start());
        two.start()?;
        one.join().map_err(|_| anyhow!("starting the first node panicked"))?
    })?;
    wait_for("one is active, the other one a backup", SOON, || {
        let mut roles = [0, 1].map(|node| pair.members[node].role(VRID).unwrap_or_default());
        roles.sort();
        roles == ["active", "backup"]
    })?;
    probes.wait_more(500)?;
    let report = probes.finish()?;
    assert_eq!((report.doubles(), report.reflections.len()), (0, 0), "{report:?}");
    Ok(())
}

#[test]
fn a_reload_with_another_priority_interrupts_nothing() -> Result<()> {
    Event::new("reload with another priority", 0).measure(&Plan::default(), |pair, probes| {
        let member = &mut pair.members[0];
        let mut config = member.config.clone();
        config.vrrp[0].priority = Some(140);
        member.gateway()?.reload(&config)?;
        wait_for("the priority is the new one", SOON, || {
            member.router().is_ok_and(|router| router["priority"] == 140 && router["role"] == "active")
        })?;
        probes.wait_more(500)?;
        pair.wait_forwards(0)
    })
}

#[test]
fn reloads_with_another_interval_interrupt_nothing() -> Result<()> {
    Event::new("reloads with another interval", 0).measure(&Plan::default(), |pair, probes| {
        // Longer and shorter again, on the active node first.
        for interval in [1.0, 0.1] {
            for member in &mut pair.members {
                let mut config = member.config.clone();
                config.vrrp[0].interval = Some(interval);
                member.gateway()?.reload(&config)?;
            }
            probes.wait_more(3500)?;
        }
        pair.wait_forwards(0)
    })
}

#[test]
fn a_reload_with_less_priority_than_the_standby_moves_the_role_where_it_preempts() -> Result<()> {
    let mut plan = Plan::steady();
    if let Some(vrrp) = &mut plan.vrrp {
        vrrp.preempt = Some(true);
    }
    let mut pair = Pair::linux(&plan)?;
    pair.start()?;
    let mut config = pair.members[0].config.clone();
    config.vrrp[0].priority = Some(50);
    pair.members[0].gateway()?.reload(&config)?;
    pair.members[1].wait_role(VRID, "active")?;
    pair.members[0].wait_role(VRID, "backup")
}

#[test]
fn a_reload_with_another_vrid_is_refused_and_the_key_named() -> Result<()> {
    let mut pair = started()?;
    let mut config = pair.members[0].config.clone();
    config.vrrp[0].vrid = 21;
    let line = pair.members[0].gateway()?.reload_text(&config.to_string())?;
    assert!(
        line.contains("reload refused") && line.contains("vrrp") && line.contains("20") && line.contains("21"),
        "{line}"
    );
    assert_eq!(pair.members[0].role(VRID).as_deref(), Some("active"));
    Ok(())
}

/// A node that is active, and alone.
fn alone() -> Result<Pair> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.members[0].start()?;
    pair.members[0].wait_role(VRID, "active")?;
    Ok(pair)
}

#[test]
fn a_handover_to_nobody_is_refused_with_a_reason() -> Result<()> {
    let pair = alone()?;
    let output = pair.members[0].started()?.try_ask("handover")?;
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output);
    assert!(printed.contains("no other node is connected") && printed.contains("--force"), "{printed}");
    let router = pair.members[0].router()?;
    assert_eq!((&router["role"], &router["counters"]["release_master"]), (&"active".into(), &0.into()));
    Ok(())
}

#[test]
fn a_handover_to_nobody_is_done_if_forced() -> Result<()> {
    let pair = alone()?;
    let output = pair.members[0].started()?.try_ask("handover --force")?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("handed over"), "{}", text(&output));
    assert_eq!(pair.members[0].router()?["counters"]["release_master"], 1);
    // Nobody else wanted it.
    pair.members[0].wait_role(VRID, "active")
}

#[test]
fn a_handover_by_a_standby_is_refused() -> Result<()> {
    let pair = started()?;
    let output = pair.members[1].started()?.try_ask("handover")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("not active"), "{}", text(&output));
    Ok(())
}

#[test]
fn a_handover_of_a_virtual_router_that_is_none_is_refused() -> Result<()> {
    let pair = alone()?;
    let output = pair.members[0].started()?.try_ask("handover 77")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("there is no virtual router 77"), "{}", text(&output));
    Ok(())
}

#[test]
fn a_status_without_an_agent_names_the_socket() -> Result<()> {
    let mut pair = alone()?;
    pair.stop(0)?;
    let member = &pair.members[0];
    let output = member.started()?.try_ask("status")?;
    assert_eq!(output.status.code(), Some(3));
    let socket = member.config.run_dir.join("vtep-gateway.ctl");
    assert!(text(&output).contains(&socket.display().to_string()), "{}", text(&output));
    Ok(())
}

#[test]
fn the_control_socket_speaks_with_ovs_appctl() -> Result<()> {
    let pair = alone()?;
    let member = &pair.members[0];
    let socket = member.config.run_dir.join("vtep-gateway.ctl");
    let appctl = |command: &str| {
        let output = member.host.run(&format!("ovs-appctl -t {} {command}", socket.display()))?;
        Ok::<_, anyhow::Error>(text(&output))
    };
    let list = appctl("list-commands")?;
    for command in ["exit", "list-commands", "status", "version", "vrrp/handover"] {
        assert!(
            list.lines().any(|line| line.split_whitespace().next() == Some(command)),
            "{command} is not in\n{list}"
        );
    }
    assert!(appctl("version")?.starts_with("vtep-gateway "));
    let status: Value = serde_json::from_str(&appctl("status json")?)?;
    assert_eq!(status["vrrp"][0]["role"], "active");
    Ok(())
}

#[test]
fn a_handover_names_the_node_that_has_the_role_by_then() -> Result<()> {
    let pair = started()?;
    let output = pair.members[0].started()?.try_ask("handover --wait=60")?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let printed = text(&output);
    let other = pair.members[1].router()?;
    let source = other["source"].as_str().unwrap_or("nowhere");
    assert!(
        printed.contains("handed over to ") && printed.contains(source) && printed.contains(" ms"),
        "{printed}, not {source}"
    );
    assert_eq!(other["role"], "active", "it was answered before the other node had the role: {printed}");
    Ok(())
}
