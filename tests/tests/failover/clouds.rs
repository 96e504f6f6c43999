//! Two gateways in a cloud of real OVN, with one database for each, or one clustered database for both.

use std::time::Duration;

use anyhow::Result;
use lab::{
    cluster::{Pair, Plan},
    ovn::Deployment,
    wait::pause,
};

use crate::table::Event;

const SKEW_MS: u64 = 61;
const SILENCE_MS: u64 = 400;

fn measure(event: Event, deployment: Deployment, happen: impl Fn(&mut Pair) -> Result<()>) -> Result<()> {
    event.measure_in(
        || Pair::ovn(&Plan::default(), deployment),
        |pair, _| {
            happen(pair)?;
            pair.wait_forwards(1)
        },
    )
}

#[test]
fn clean_stop_with_a_database_each() -> Result<()> {
    let event = Event::new("OVN, a database each: agent stopped", SKEW_MS + 20);
    measure(event, Deployment::PerNode, |pair| pair.stop(0))
}

#[test]
fn node_gone_with_a_database_each() -> Result<()> {
    let event = Event::new("OVN, a database each: node gone", SILENCE_MS);
    measure(event, Deployment::PerNode, |pair| pair.node_gone_with_database(0).map(drop))
}

#[test]
fn clean_stop_with_a_shared_database() -> Result<()> {
    let event = Event::new("OVN, a shared database: agent stopped", SKEW_MS + 20);
    measure(event, Deployment::Shared, |pair| pair.stop(0))
}

#[test]
fn node_gone_with_the_leader_of_a_shared_database() -> Result<()> {
    let event = Event::new("OVN, a shared database: node and leader gone", SILENCE_MS);
    measure(event, Deployment::Shared, |pair| pair.node_gone_with_database(0).map(drop))
}

/// Needs of a hypervisor with Open vSwitch in userspace: an announcement like one that it has cached within ten
/// seconds it does not look at, and the switch outside may be late by two seconds for the same reason.
const CACHED_MS: u64 = 2000;

#[test]
fn a_role_that_comes_back_within_seconds_is_found_by_open_vswitch() -> Result<()> {
    let mut plan = Plan::default();
    if let Some(vrrp) = &mut plan.vrrp {
        vrrp.preempt = Some(true);
    }
    let event = Event::new("OVN: role back after 3 s, both ways, twice", SILENCE_MS + CACHED_MS);
    event.measure_in(
        || Pair::ovn(&plan, Deployment::Shared),
        |pair, probes| {
            for _ in 0..2 {
                pair.hang(0)?;
                pair.wait_forwards(1)?;
                probes.wait_more(600)?;
                pause(Duration::from_secs(3));
                pair.wake(0)?;
                pair.wait_forwards(0)?;
                probes.wait_more(600)?;
                pause(Duration::from_secs(3));
            }
            Ok(())
        },
    )
}

#[test]
fn hang_and_wake_with_a_shared_database() -> Result<()> {
    let event = Event::new("OVN, a shared database: agent hung, then back", SILENCE_MS);
    measure(event, Deployment::Shared, |pair| {
        pair.hang(0)?;
        pair.wait_forwards(1)?;
        pair.wake(0)
    })
}
