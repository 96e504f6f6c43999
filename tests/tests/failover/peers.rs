//! keepalived as the other node: only that ours behaves is tested.

use anyhow::Result;
use lab::{
    cluster::{
        Pair, Plan,
        keepalived::{Keepalived, Settings, has_address},
        plan::virtual_address,
    },
    config::Vrrp,
    crossing::Underlay,
    wait::{SOON, wait_for},
};

/// Our node is `gw1` with priority 150, keepalived is on `gw2`.
struct Mixed {
    pair: Pair,
    other: Keepalived,
}

impl Mixed {
    fn start(vrrp: Vrrp, settings: &Settings) -> Result<Self> {
        let mut pair = Pair::linux(&Plan { vrrp: Some(vrrp), ..Plan::default() })?;
        let other = Keepalived::start(&pair.members[1].host, settings)?;
        pair.members[0].start()?;
        Ok(Self { pair, other })
    }

    /// Waits until one of them has the address and the other one has not.
    fn wait_active(&self, ours: bool) -> Result<()> {
        let what = if ours { "ours is active" } else { "keepalived is active" };
        wait_for(what, SOON, || {
            let own = has_address(&self.pair.members[0].host, virtual_address());
            own.is_ok_and(|own| own == ours) && self.other.is_active().is_ok_and(|other| other != ours)
        })
    }
}

fn ours(interval: f64) -> Vrrp {
    Vrrp::new(20, interval)
}

fn theirs(priority: u8, interval: f64) -> Settings {
    Settings::new(virtual_address(), priority, interval)
}

#[test]
fn the_higher_priority_is_active_and_the_other_takes_over_when_it_goes() -> Result<()> {
    let mixed = Mixed::start(ours(0.1), &theirs(200, 0.1))?;
    mixed.wait_active(false)?;
    let Mixed { pair, other } = mixed;
    drop(other);
    wait_for("ours takes over", SOON, || has_address(&pair.members[0].host, virtual_address()).unwrap_or(false))
}

#[test]
fn a_lower_priority_yields_to_ours_and_gets_the_role_when_ours_stops() -> Result<()> {
    let mut mixed = Mixed::start(ours(0.1), &theirs(100, 0.1))?;
    mixed.wait_active(true)?;
    mixed.pair.stop(0)?;
    mixed.wait_active(false)
}

#[test]
fn version_2_interoperates() -> Result<()> {
    let vrrp = Vrrp { version: Some(2), ..ours(1.0) };
    let mixed = Mixed::start(vrrp, &Settings { version: 2, ..theirs(100, 1.0) })?;
    mixed.wait_active(true)
}

#[test]
fn unicast_interoperates() -> Result<()> {
    let [one, two] = [Underlay::V4.ip(21), Underlay::V4.ip(22)];
    let vrrp = Vrrp { peers: vec![two], ..ours(0.1) };
    let mixed = Mixed::start(vrrp, &Settings { unicast: Some((two, one)), ..theirs(200, 0.1) })?;
    mixed.wait_active(false)
}
