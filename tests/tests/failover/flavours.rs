//! Other ways to set the virtual router up, and that a takeover costs the same with them.

use anyhow::{Result, bail};
use gateway_common::net::MacAddr;
use lab::{
    cluster::{
        Pair, Plan, World,
        plan::{NODES, virtual_address},
    },
    config::{Mode, Vrrp},
    crossing::Underlay,
};

use crate::table::Event;

const SKEW_MS: u64 = 61;
const SILENCE_MS: u64 = 400;
const SKEW_1S_MS: u64 = 610;
const SILENCE_1S_MS: u64 = 3700;

/// The virtual router's own Ethernet address (RFC 9568 section 7.3).
const VIRTUAL_MAC: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 20]);

fn with(seconds: f64, change: impl FnOnce(&mut Vrrp)) -> Plan {
    let mut plan = Plan::interval(seconds);
    plan.vrrp.as_mut().map(change);
    plan
}

fn virtual_mac() -> Plan {
    with(0.1, |vrrp| vrrp.virtual_mac = Some(true))
}

fn ipv6() -> Plan {
    Plan { underlay: Underlay::V6, ..Plan::default() }
}

/// The Ethernet address that the hypervisor has for the tunnel address.
fn known(pair: &Pair) -> Result<Option<MacAddr>> {
    match &pair.world {
        World::Linux { hv, .. } => Ok(hv.host().neighbour(virtual_address())),
        World::Ovn { .. } => bail!("there is no Linux VTEP"),
    }
}

#[test]
fn virtual_mac_node_gone() -> Result<()> {
    Event::new("virtual MAC: node gone", SILENCE_MS).measure(&virtual_mac(), |pair, _| {
        assert_eq!(known(pair)?, Some(VIRTUAL_MAC));
        pair.all_links(0, false)?;
        pair.wait_forwards(1)?;
        assert_eq!(known(pair)?, Some(VIRTUAL_MAC));
        Ok(())
    })
}

/// The interface with the virtual MAC address stays behind on the first node.
#[test]
fn virtual_mac_agent_killed() -> Result<()> {
    Event::new("virtual MAC: agent killed", SILENCE_MS).measure(&virtual_mac(), |pair, _| {
        pair.kill(0)?;
        pair.wait_forwards(1)?;
        assert_eq!(known(pair)?, Some(VIRTUAL_MAC));
        Ok(())
    })
}

#[test]
fn virtual_mac_handover() -> Result<()> {
    Event::new("virtual MAC: handover", SKEW_MS + 20).measure(&virtual_mac(), |pair, _| {
        pair.hand_over(0)?;
        pair.wait_forwards(1)?;
        assert_eq!(known(pair)?, Some(VIRTUAL_MAC));
        Ok(())
    })
}

/// The interface with the virtual MAC address must not take from the programs what comes for it.
#[test]
fn virtual_mac_in_tc_handover() -> Result<()> {
    let plan = Plan { mode: Mode::Tc, ..virtual_mac() };
    Event::new("virtual MAC, TC: handover", SKEW_MS + 20).measure(&plan, |pair, _| {
        pair.hand_over(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn tc_node_gone() -> Result<()> {
    Event::new("TC: node gone", SILENCE_MS).measure(&Plan { mode: Mode::Tc, ..Plan::default() }, |pair, _| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn ipv6_clean_stop() -> Result<()> {
    Event::new("IPv6 underlay: agent stopped", SKEW_MS + 20).measure(&ipv6(), |pair, _| {
        pair.stop(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn ipv6_node_gone() -> Result<()> {
    Event::new("IPv6 underlay: node gone", SILENCE_MS).measure(&ipv6(), |pair, _| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn ipv6_agent_killed() -> Result<()> {
    Event::new("IPv6 underlay: agent killed", SILENCE_MS).measure(&ipv6(), |pair, _| {
        pair.kill(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn ipv6_with_virtual_mac_handover() -> Result<()> {
    let plan = Plan { underlay: Underlay::V6, ..virtual_mac() };
    Event::new("IPv6 underlay, virtual MAC: handover", SKEW_MS + 20).measure(&plan, |pair, _| {
        pair.hand_over(0)?;
        pair.wait_forwards(1)
    })
}

/// A lab whose nodes send to each other alone.
fn unicast() -> Result<Pair> {
    let mut pair = Pair::linux(&Plan::default())?;
    for (member, (other, _)) in pair.members.iter_mut().zip(NODES.into_iter().rev()) {
        member.config.vrrp[0].peers = vec![Underlay::V4.ip(other)];
    }
    Ok(pair)
}

#[test]
fn unicast_handover() -> Result<()> {
    Event::new("unicast peers: handover", SKEW_MS + 20).measure_in(unicast, |pair, _| {
        pair.hand_over(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn unicast_node_gone() -> Result<()> {
    Event::new("unicast peers: node gone", SILENCE_MS).measure_in(unicast, |pair, _| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn version_2_clean_stop() -> Result<()> {
    let plan = with(1.0, |vrrp| vrrp.version = Some(2));
    Event::new("version 2: agent stopped", SKEW_1S_MS + 20).measure(&plan, |pair, _| {
        pair.stop(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn version_2_node_gone() -> Result<()> {
    let plan = with(1.0, |vrrp| vrrp.version = Some(2));
    Event::new("version 2: node gone", SILENCE_1S_MS).measure(&plan, |pair, _| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)
    })
}

/// In version 2 an agent that is to be started again can't ask for a longer silence; three intervals are enough.
#[test]
fn version_2_upgrade() -> Result<()> {
    let plan = with(1.0, |vrrp| vrrp.version = Some(2));
    Event::new("version 2: agent upgraded, role kept", 0).measure(&plan, |pair, probes| {
        pair.upgrade(0)?;
        probes.wait_more(3500)?;
        pair.wait_forwards(0)
    })
}
