//! Leftovers of an agent that was killed. `detach` or the next agent removes them.

use anyhow::{Result, ensure};
use gateway_common::net::MacAddr;
use lab::{
    Host,
    cluster::{
        Pair, Plan,
        keepalived::has_address,
        plan::{VIRTUAL, virtual_address},
    },
    crossing::Underlay,
    wait::{SOON, wait_for},
};

const VRID: u8 = 20;
const MACVLAN: &str = "vrrp4.20";

/// A node whose agent was active, and was killed.
fn killed(plan: &Plan, prepare: impl FnOnce(&Host) -> Result<()>) -> Result<Pair> {
    let mut pair = Pair::linux(plan)?;
    prepare(&pair.members[0].host)?;
    pair.members[0].start()?;
    pair.members[0].wait_role(VRID, "active")?;
    // The role does not wait for the address.
    let there = || pair.members[0].started().and_then(lab::gateway::Gateway::status);
    wait_for("the address is there", SOON, || {
        there().is_ok_and(|status| status["vrrp"][0]["addresses_there"] == true)
    })?;
    pair.kill(0)?;
    Ok(pair)
}

fn ignores_arp(host: &Host) -> Result<String> {
    let output = host.run("cat /proc/sys/net/ipv4/conf/u0/arp_ignore")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn detach_takes_the_address_off() -> Result<()> {
    let pair = killed(&Plan::default(), |_| Ok(()))?;
    let member = &pair.members[0];
    assert!(has_address(&member.host, virtual_address())?);
    member.started()?.detach()?;
    assert!(!has_address(&member.host, virtual_address())?);
    assert!(has_address(&member.host, Underlay::V4.ip(21))?, "the node's own address stays");
    Ok(())
}

#[test]
fn detach_lists_what_it_took_off_and_the_next_time_nothing() -> Result<()> {
    let pair = killed(&Plan::default(), |_| Ok(()))?;
    let detach = || {
        let output = pair.members[0].started()?.try_ask("detach")?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let taken = format!("took {} off u0", virtual_address());
    assert!(detach()?.lines().any(|line| line == taken));
    assert_eq!(detach()?, "");
    Ok(())
}

#[test]
fn detach_takes_an_ipv6_address_off() -> Result<()> {
    let pair = killed(&Plan { underlay: Underlay::V6, ..Plan::default() }, |_| Ok(()))?;
    let member = &pair.members[0];
    assert!(has_address(&member.host, Underlay::V6.ip(VIRTUAL))?);
    member.started()?.detach()?;
    assert!(!has_address(&member.host, Underlay::V6.ip(VIRTUAL))?);
    Ok(())
}

#[test]
fn detach_takes_the_interface_with_the_virtual_mac_away_and_puts_settings_back() -> Result<()> {
    let mut plan = Plan::default();
    if let Some(vrrp) = &mut plan.vrrp {
        vrrp.virtual_mac = Some(true);
    }
    let mut before = String::new();
    let pair = killed(&plan, |host| {
        before = ignores_arp(host)?;
        Ok(())
    })?;
    let member = &pair.members[0];
    assert_eq!(member.host.mac(MACVLAN)?, MacAddr([0, 0, 0x5e, 0, 1, VRID]));
    assert_ne!(ignores_arp(&member.host)?, before);
    member.started()?.detach()?;
    assert!(member.host.mac(MACVLAN).is_err(), "{MACVLAN} is still there");
    assert_eq!(ignores_arp(&member.host)?, before);
    Ok(())
}

#[test]
fn detach_leaves_the_address_of_its_owner_alone() -> Result<()> {
    let pair = killed(&Plan { priorities: [255, 100], ..Plan::default() }, |host| {
        host.ip(&format!("addr add {}/32 dev u0", virtual_address())).map(drop)
    })?;
    let member = &pair.members[0];
    member.started()?.detach()?;
    assert!(has_address(&member.host, virtual_address())?);
    Ok(())
}

/// Another node is active meanwhile.
fn next_agent_takes_it_off(virtual_mac: bool) -> Result<()> {
    let mut plan = Plan::default();
    if let Some(vrrp) = &mut plan.vrrp {
        vrrp.virtual_mac = Some(virtual_mac);
    }
    let mut pair = Pair::linux(&plan)?;
    pair.start()?;
    pair.kill(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    let host = pair.members[0].host.clone();
    let has = || if virtual_mac { Ok(host.mac(MACVLAN).is_ok()) } else { has_address(&host, virtual_address()) };
    assert!(has()?, "there is nothing to take off");
    pair.members[0].start()?;
    wait_for("it is gone", SOON, || has().is_ok_and(|there| !there))?;
    pair.members[0].wait_role(VRID, "backup")
}

#[test]
fn the_next_agent_takes_the_address_off() -> Result<()> {
    next_agent_takes_it_off(false)
}

#[test]
fn the_next_agent_takes_the_interface_with_the_virtual_mac_away() -> Result<()> {
    next_agent_takes_it_off(true)
}

#[test]
fn an_agent_that_hung_for_too_long_takes_the_address_off_when_it_wakes() -> Result<()> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.start()?;
    pair.hang(0)?;
    pair.members[1].wait_role(VRID, "active")?;
    let host = pair.members[0].host.clone();
    assert!(has_address(&host, virtual_address())?);
    pair.wake(0)?;
    wait_for("it is gone", SOON, || has_address(&host, virtual_address()).is_ok_and(|there| !there))?;
    pair.members[1].wait_role(VRID, "active")
}

#[test]
fn detach_is_refused_while_the_agent_runs_and_changes_nothing() -> Result<()> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.members[0].start()?;
    pair.members[0].wait_role(VRID, "active")?;
    let member = &pair.members[0];
    let output = member.started()?.try_ask("detach")?;
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains("another vtep-gateway"), "{printed}");
    assert!(has_address(&member.host, virtual_address())?);
    assert_eq!(member.role(VRID).as_deref(), Some("active"));
    Ok(())
}
