//! `status` on a running gateway, sound and not, and its exit codes.

use anyhow::Result;
use gateway_api::view::{Database, InterfaceRole, Mode, Role, Severity, Status};
use lab::{
    cluster::{Pair, Plan as PairPlan},
    crossing::{Crossing, GW, Plan, Site, Underlay, VM, VNI},
    process::text,
    wait::{SOON, wait_for, wait_some},
};
use serde_json::Value;

use crate::{
    asking::{screen, status},
    basics::vtep_gateway,
};

fn faults(status: &Status) -> Vec<&str> {
    let faults = status.problems.iter().filter(|problem| problem.severity == Severity::Fault);
    faults.map(|problem| problem.text.as_str()).collect()
}

#[test]
fn a_sound_gateway_is_healthy_and_shows_what_it_does() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let (status, code) = status(&lab.gateway)?;
    assert_eq!((status.healthy, code), (true, Some(0)), "{:?}", status.problems);
    assert_eq!((Some(status.pid), status.version.as_str()), (lab.gateway.pid(), env!("CARGO_PKG_VERSION")));
    assert_eq!((status.vteps.as_slice(), &status.database), (&[Underlay::V4.ip(GW)][..], &Database::Static));
    let forwarding = &status.forwarding;
    assert_eq!((forwarding.switches, forwarding.bindings, forwarding.tunnels), (1, 1, 1));
    assert_eq!((forwarding.tunnels_unresolved, forwarding.macs, forwarding.stations), (0, 1, 1));
    let interfaces: Vec<_> = status.interfaces.iter().map(|one| (one.name.as_str(), one.role, one.mode)).collect();
    let (uplink, port) = (InterfaceRole::Uplink, InterfaceRole::Port);
    assert_eq!(interfaces, [("u0", uplink, Some(Mode::Xdp)), ("a0", port, Some(Mode::Xdp))]);
    assert!(status.interfaces.iter().all(|one| one.link.is_some_and(|link| link.up)));

    let shown = screen(&lab.gateway, "status")?;
    assert!(shown.lines().count() <= 24, "{shown}");
    for word in ["healthy", "172.31.0.21", "u0", "a0", "1 switch, 1 binding, 1 tunnel", "none"] {
        assert!(shown.contains(word), "{word}:\n{shown}");
    }
    // The same in the file, and for who asks as one asks Open vSwitch.
    let file: Status = serde_json::from_slice(&std::fs::read(lab.config.run_dir.join("status.json"))?)?;
    assert_eq!(file.pid, status.pid);
    let socket = lab.config.run_dir.join("vtep-gateway.ctl");
    let shown = text(&lab.gw.run(&format!("ovs-appctl -t {} status", socket.display()))?);
    assert!(shown.contains("healthy") && !shown.contains('\x1b'), "{shown}");
    Ok(())
}

#[test]
fn a_port_that_is_down_makes_it_unhealthy_until_it_is_up() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.gw.ip("link set a0 down")?;
    let unhealthy = wait_some("it is not healthy", SOON, || {
        let (status, code) = status(&lab.gateway).ok()?;
        (code == Some(1)).then_some(status)
    })?;
    assert!(!unhealthy.healthy);
    assert!(faults(&unhealthy).iter().any(|fault| fault.contains("a0 is down")), "{:?}", unhealthy.problems);
    let shown = screen(&lab.gateway, "status")?;
    assert!(shown.contains("NOT HEALTHY: 1 fault") && shown.contains("FAULT"), "{shown}");
    lab.gw.ip("link set a0 up")?;
    wait_for("it is healthy again", SOON, || status(&lab.gateway).is_ok_and(|(_, code)| code == Some(0)))
}

#[test]
fn a_remote_vtep_that_does_not_answer_is_a_warning() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config();
    config.switch_mut(VNI).flood.push(Underlay::V4.ip(99));
    let lab = site.start(config)?;
    let (shown, code) = wait_some("it is warned of", SOON, || {
        let (status, code) = status(&lab.gateway).ok()?;
        status.problems.iter().any(|problem| problem.text.contains("172.31.0.99")).then_some((status, code))
    })?;
    assert_eq!((shown.healthy, code, faults(&shown).len()), (true, Some(0), 0), "{:?}", shown.problems);
    assert_eq!(shown.forwarding.tunnels_unresolved, 1);
    Ok(())
}

#[test]
fn every_tunnel_without_a_next_hop_is_a_fault() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config();
    let switch = config.switch_mut(VNI);
    (switch.flood, switch.macs) = (vec![Underlay::V4.ip(99)], vec![]);
    let lab = site.start(config)?;
    let (shown, code) =
        wait_some("it is at fault", SOON, || status(&lab.gateway).ok().filter(|(status, _)| !status.healthy))?;
    assert_eq!((code, shown.forwarding.tunnels, shown.forwarding.tunnels_unresolved), (Some(1), 1, 1));
    assert!(faults(&shown).iter().any(|fault| fault.contains("no tunnel has a next hop")), "{:?}", shown.problems);
    Ok(())
}

#[test]
fn both_nodes_of_a_pair_are_healthy_and_say_who_is_active() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.start()?;
    let of = |node: usize| status(pair.members[node].started()?);
    wait_for("both nodes are healthy and know each other", SOON, || {
        let both = [of(0), of(1)];
        let connected = |status: &Status| status.nodes.as_ref().is_some_and(|nodes| !nodes.standbys.is_empty());
        matches!(&both, [Ok((active, Some(0))), Ok((_, Some(0)))] if connected(active))
    })?;
    let (active, standby) = (of(0)?.0, of(1)?.0);
    assert_eq!((active.vrrp[0].role, standby.vrrp[0].role), (Role::Active, Role::Backup));
    let shown = screen(pair.members[0].started()?, "status")?;
    assert!(shown.contains("active") && shown.contains("172.31.0.20") && shown.contains("this node"), "{shown}");
    let shown = screen(pair.members[1].started()?, "status")?;
    assert!(shown.contains("backup") && shown.contains("172.31.0.21"), "{shown}");

    // Without an access port a node can't be active, and reports why.
    pair.access_link(1, false)?;
    let fault = wait_some("the standby is at fault", SOON, || of(1).ok().filter(|(_, code)| *code == Some(1)))?.0;
    wait_for("its virtual router is, too", SOON, || of(1).is_ok_and(|(status, _)| status.vrrp[0].role == Role::Fault))?;
    assert!(!faults(&fault).is_empty(), "{fault:?}");
    Ok(())
}

#[test]
fn what_was_in_the_json_before_is_there() -> Result<()> {
    let mut pair = Pair::linux(&PairPlan::steady())?;
    pair.start()?;
    let status = pair.members[0].started()?.status()?;
    let keys = |value: &Value, keys: &[&str]| {
        let object = value.as_object().unwrap();
        keys.iter().for_each(|key| assert!(object.contains_key(*key), "{key}: {value}"));
    };
    keys(&status, &["pid", "version", "database", "forwarding", "vrrp", "nodes"]);
    keys(&status["forwarding"], &["switches", "bindings", "tunnels", "macs", "problems"]);
    keys(&status["database"], &["kind"]);
    keys(&status["nodes"], &["standbys", "stations_heard", "problems"]);
    let router = &status["vrrp"][0];
    keys(router, &["name", "vrid", "role", "seconds_in_role", "priority", "interval", "lease_left_ms"]);
    keys(router, &["active_node", "addresses_there", "others", "problems", "counters"]);
    Ok(())
}

#[test]
fn exit_codes_distinguish_no_agent_from_wrong_arguments() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    assert_eq!(lab.gateway.try_ask("show tunnels")?.status.code(), Some(0));
    lab.gateway.stop()?;
    let socket = lab.config.run_dir.join("vtep-gateway.ctl").display().to_string();
    for verb in ["status", "status --json", "show macs", "show drops --json", "show vrrp", "show drops --watch"] {
        let output = lab.gateway.try_ask(verb)?;
        assert_eq!(output.status.code(), Some(3), "{verb}: {}", text(&output));
        let shown = text(&output);
        assert!(shown.contains(&socket) && shown.contains("vtep-gateway run"), "{verb}: {shown}");
    }
    for wrong in ["show", "show elephants", "show macs --mac 1:2", "show switches --vni 0", "status --jason"] {
        let output = vtep_gateway(&wrong.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output));
    }
    let missing = vtep_gateway(&["status", "--config", "/nonexistent/gateway.toml"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing));
    lab.gateway.resume()?;
    assert_eq!(lab.gateway.try_ask("status")?.status.code(), Some(0));
    Ok(())
}

#[test]
fn colours_are_for_terminals_that_want_them() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let piped = lab.gateway.ask("status")?;
    assert!(!piped.contains('\x1b'), "{piped:?}");
    let painted = text(&lab.gateway.on_terminal("status", "TERM=xterm")?);
    assert!(painted.contains("\x1b[1;32mhealthy\x1b[0m"), "{painted:?}");
    let plain = text(&lab.gateway.on_terminal("status", "TERM=xterm NO_COLOR=1")?);
    assert!(!plain.contains('\x1b'), "{plain:?}");
    Ok(())
}
