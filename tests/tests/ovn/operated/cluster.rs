//! Three servers for one database.

use anyhow::{Context, Result};
use lab::{
    crossing::{EXT, Plan, Site, VM, VM2, VNI},
    flow::Flow,
    gateway::Gateway,
    node::Node,
    ovsdb::{Database, OVS_SCHEMAS},
    wait::{SOON, wait_for, wait_some},
};

use super::by_hand::{NET, SCHEMA, config, fill};

fn client(member: u16) -> u16 {
    6650 + member
}

fn raft(member: u16) -> String {
    format!("tcp:127.0.0.1:{}", 6660 + member)
}

/// All on the gateway's machine, each with ports of its own.
fn cluster(node: &Node) -> Result<Vec<Database>> {
    let mut members = Vec::new();
    for member in 0..3 {
        let (name, options) = (format!("vtep{member}"), format!("--remote=ptcp:{}:127.0.0.1", client(member)));
        members.push(if member == 0 {
            let schema = format!("{OVS_SCHEMAS}/vtep.ovsschema");
            Database::create_cluster(node, &name, &schema, &raft(0), &options)?
        } else {
            Database::join_cluster(node, &name, SCHEMA, [&raft(member), &raft(0)], &options)?
        });
    }
    Ok(members)
}

#[test]
fn a_cluster_that_loses_its_leader_is_followed_to_the_next() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let node = Node::new(&site.gw)?;
    let mut members = cluster(&node)?;
    let remotes = [0, 1, 2].map(|member| format!("tcp:127.0.0.1:{}", client(member))).join(",");
    let vtep_ctl = |arguments: &str| node.run(&format!("vtep-ctl --db={remotes} --timeout=20 {arguments}")).map(drop);
    fill(&site, vtep_ctl)?;

    let config = config(&site, &remotes);
    let gateway = Gateway::start(&site.gw, &config)?;
    site.vm.wait_reaches(&EXT.v4().to_string())?;
    let there = Flow::start(&site.vm, &site.ext, EXT.v4().into())?;
    let back = Flow::start(&site.ext, &site.vm, VM.v4().into())?;
    there.wait_more(200)?;

    let leader = members.iter().position(|member| member.leads(SCHEMA).is_ok_and(|leads| leads));
    members.remove(leader.context("nobody leads")?).kill()?;
    wait_some("another one leads", SOON, || {
        members.iter().any(|member| member.leads(SCHEMA).is_ok_and(|leads| leads)).then_some(())
    })?;
    let hv = site.hv.vtep();
    vtep_ctl(&format!("add-ucast-remote {NET} {} {hv}", VM2.mac()))?;
    wait_for("the gateway has what was written to the new leader", SOON, || {
        gateway.read().static_vtep(VNI, VM2.mac()).is_ok_and(|found| found == Some(hv))
    })?;

    for flow in [there, back] {
        flow.wait_more(100)?;
        let tally = flow.finish()?;
        assert!(tally.is_whole(), "{tally:?}");
    }
    Ok(())
}
