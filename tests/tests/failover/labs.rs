//! The lab itself, with gateways that know nothing of each other.

use anyhow::Result;
use lab::{
    bpf,
    bridge::Bridge,
    cluster::{
        Pair, Plan,
        keepalived::{Keepalived, Settings},
        plan::{VIRTUAL, virtual_address},
    },
    crossing::{UNDERLAY_MTU, Underlay, VNI},
    ovn::Deployment,
    wait::{SOON, wait_for},
};

use crate::table::Event;

/// A pair whose first node has the virtual address for good.
fn unmoved(pair: Pair) -> Result<Pair> {
    pair.members[0].host.address("u0", &Underlay::V4.address(VIRTUAL))?;
    Ok(pair)
}

#[test]
fn one_gateway_carries_probes_without_loss_or_copies() -> Result<()> {
    let mut pair = unmoved(Pair::linux(&Plan::without_vrrp())?)?;
    pair.members[0].start()?;
    let probes = pair.probes()?;
    pair.wait_forwards(0)?;
    probes.wait_more(500)?;
    let report = probes.finish()?;
    Event::new("(nothing, one gateway)", 0).print(&report, 1);
    assert_eq!((report.doubles(), report.reflections.len()), (0, 0));
    assert_eq!((report.lost(), report.broadcast_out.lost + report.broadcast_back.lost), (0, 0));
    assert!(report.broadcast_out.sent > 10 && report.broadcast_back.sent > 10);
    Ok(())
}

#[test]
fn an_outage_is_seen_with_its_length() -> Result<()> {
    let mut pair = unmoved(Pair::linux(&Plan::without_vrrp())?)?;
    pair.members[0].start()?;
    let probes = pair.probes()?;
    probes.wait_more(200)?;
    pair.access_link(0, false)?;
    lab::wait::pause(std::time::Duration::from_millis(300));
    pair.access_link(0, true)?;
    probes.wait_more(200)?;
    let report = probes.finish()?;
    Event::new("(access link down for 300 ms, one gateway)", 0).print(&report, 1);
    for way in [&report.out, &report.back] {
        assert!(way.lost > 100 && way.gap.as_millis() >= 290, "{report:?}");
    }
    Ok(())
}

#[test]
fn two_gateways_that_both_forward_are_seen_by_copies_and_reflections() -> Result<()> {
    let mut pair = unmoved(Pair::linux(&Plan::without_vrrp())?)?;
    for member in &mut pair.members {
        // Nothing places the VM, so what the other node sends out for it is believed to be outside.
        let switch = member.config.switch_mut(VNI);
        switch.macs.clear();
        switch.learn_remote = true;
        member.start()?;
    }
    let probes = pair.probes()?;
    probes.wait_more(500)?;
    let report = probes.finish()?;
    Event::new("(nothing, two gateways without VRRP)", 0).print(&report, 1);
    assert!(report.doubles() > 0 && !report.reflections.is_empty(), "{report:?}");
    Ok(())
}

#[test]
fn a_cut_keeps_vrrp_from_passing_and_nothing_else() -> Result<()> {
    let pair = Pair::linux(&Plan::without_vrrp())?;
    let settings = |priority| Settings::new(virtual_address(), priority, 0.1);
    let one = Keepalived::start(&pair.members[0].host, &settings(150))?;
    let two = Keepalived::start(&pair.members[1].host, &settings(100))?;
    let roles = || Ok::<_, anyhow::Error>((one.is_active()?, two.is_active()?));
    let wait_roles = |what, roles_wanted| wait_for(what, SOON, || roles().is_ok_and(|roles| roles == roles_wanted));
    wait_roles("the higher priority wins", (true, false))?;
    let split = pair.split()?;
    wait_roles("both are active", (true, true))?;
    pair.members[0].host.wait_reaches(&Underlay::V4.ip(22).to_string())?;
    drop(split);
    wait_roles("one is active again", (true, false))
}

#[test]
fn a_cut_is_gone_with_its_owner() -> Result<()> {
    let lab = lab::Lab::new()?;
    let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
    let host = lab.host("one")?;
    und.plug(&host, "u0")?;
    for _ in 0..2 {
        drop(bpf::cut_vrrp(und.host(), "one")?);
    }
    Ok(())
}

#[test]
fn a_cloud_fills_one_database_for_each_node() -> Result<()> {
    let pair = Pair::ovn(&Plan::without_vrrp(), Deployment::PerNode)?;
    carries(unmoved(pair)?)
}

#[test]
fn a_cloud_fills_one_database_for_both_nodes_and_it_outlives_its_leader() -> Result<()> {
    let mut pair = unmoved(Pair::ovn(&Plan::without_vrrp(), Deployment::Shared)?)?;
    assert!(pair.node_gone_with_database(0)?, "the first member leads");
    pair.all_links(0, true)?;
    carries(pair)
}

fn carries(mut pair: Pair) -> Result<()> {
    pair.members[0].start()?;
    let probes = pair.probes()?;
    probes.wait_more(200)?;
    let report = probes.finish()?;
    assert_eq!((report.doubles(), report.reflections.len()), (0, 0), "{report:?}");
    Ok(())
}
