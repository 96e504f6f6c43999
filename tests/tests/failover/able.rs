//! Eligible means able: a node that could forward less than the active one does not take the role from it.

use anyhow::Result;
use lab::{
    cluster::{Pair, Plan, plan::PORT},
    config::{Database, Vrrp},
    crossing::{EXT, VLAN, VNI},
    ovn::Vtep,
    wait::{SOON, wait_for},
};
use serde_json::Value;

const VRID: u8 = 20;
const NETWORK: &str = "net1";
/// The node that has the higher priority, and a database; the other one forwards.
const UNABLE: usize = 0;
const ABLE: usize = 1;

/// A pair of which the first node preempts and has its rows from `remote`.
fn pair(remote: impl FnOnce(&Pair) -> Result<String>) -> Result<Pair> {
    let plan = Plan { vrrp: Some(Vrrp { preempt: Some(true), ..Vrrp::new(VRID, 0.1) }), ..Plan::default() };
    let mut pair = Pair::linux(&plan)?;
    let remote = remote(&pair)?;
    let config = &mut pair.members[UNABLE].config;
    config.switches.clear();
    let switch = Some("gw1".to_owned());
    config.database =
        Some(Database { remote, switch, identity: None, hold_time: None, shared: Some(false), learn_limit: None });
    Ok(pair)
}

fn database(pair: &Pair) -> Result<Vtep> {
    Vtep::start(&pair.members[UNABLE].host, [127, 0, 0, 1].into(), "gw1")
}

fn faults(status: &Value) -> Vec<&str> {
    let problems = status["problems"].as_array().into_iter().flatten();
    problems.filter(|problem| problem["severity"] == "fault").filter_map(|problem| problem["text"].as_str()).collect()
}

/// The able node carries traffic; the other one comes, reports that it could not, and leaves it the role.
fn leaves_the_role(pair: &mut Pair) -> Result<()> {
    pair.members[ABLE].start()?;
    pair.members[ABLE].wait_role(VRID, "active")?;
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    pair.members[UNABLE].start()?;
    pair.members[UNABLE].wait_role(VRID, "backup")?;
    // It is reported only after longer than a takeover takes.
    let reported = |status: &Value| {
        faults(status).iter().any(|fault| {
            fault.contains("this node could forward 0 bindings, and ")
                && fault.contains(" 1: it takes over only where nobody else")
        })
    };
    wait_for("the unable node reports it", SOON, || {
        pair.members[UNABLE].started().and_then(lab::gateway::Gateway::status).is_ok_and(|status| reported(&status))
    })?;
    let status = pair.members[UNABLE].started()?.status()?;
    assert_eq!(status["healthy"], false, "{status}");
    assert_eq!((status["vrrp"][0]["role"].as_str(), status["vrrp"][0]["held"].as_bool()), (Some("backup"), Some(true)));
    assert_eq!(pair.members[ABLE].router()?["counters"]["release_master"], 0);
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    Ok(())
}

#[test]
fn a_node_without_a_database_server_does_not_take_the_role_from_one_that_forwards() -> Result<()> {
    let mut pair = pair(|pair| Ok(format!("unix:{}", pair.lab.directory().join("nobody.sock").display())))?;
    leaves_the_role(&mut pair)?;
    // Better than nobody.
    pair.members[ABLE].gateway()?.stop()?;
    pair.members[UNABLE].wait_role(VRID, "active")
}

#[test]
fn a_node_with_an_empty_database_does_not_take_the_role_from_one_that_forwards() -> Result<()> {
    let mut started = None;
    let mut pair = pair(|pair| Ok(started.insert(database(pair)?).local_remote()))?;
    leaves_the_role(&mut pair)?;
    // The other way round: it has the role, and gives it to the able one when that is there again.
    pair.members[ABLE].gateway()?.stop()?;
    pair.members[UNABLE].wait_role(VRID, "active")?;
    pair.members[ABLE].start()?;
    pair.members[ABLE].wait_role(VRID, "active")?;
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    drop(pair);
    drop(started);
    Ok(())
}

#[test]
fn a_node_whose_bindings_have_no_tunnel_key_does_not_take_the_role_until_they_have() -> Result<()> {
    let mut started = None;
    let mut pair = pair(|pair| {
        let vtep = started.insert(database(pair)?);
        vtep.register(lab::cluster::plan::virtual_address(), PORT)?;
        vtep.ctl(&format!("add-ls {NETWORK}"))?;
        vtep.bind(PORT, VLAN, NETWORK)?;
        Ok(vtep.local_remote())
    })?;
    leaves_the_role(&mut pair)?;
    if let Some(vtep) = &started {
        vtep.ctl(&format!("set Logical_Switch {NETWORK} tunnel_key={VNI}"))?;
    }
    // Now it could, and has the higher priority.
    pair.members[UNABLE].wait_role(VRID, "active")?;
    pair.members[ABLE].wait_role(VRID, "backup")?;
    let status = pair.members[UNABLE].started()?.status()?;
    assert_eq!(status["vrrp"][0]["held"], false);
    drop(pair);
    drop(started);
    Ok(())
}
