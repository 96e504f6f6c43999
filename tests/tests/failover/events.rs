//! One node and another one, opposite Linux.

use std::time::Duration;

use anyhow::Result;
use lab::{
    cluster::{Pair, Plan, probes::now},
    wait::pause,
};

use crate::table::{ALLOWANCE, Event};

/// Skew time of the second node at 100 ms between advertisements: (256 - 100) / 256 of it.
const SKEW_MS: u64 = 61;
/// The longest the second node waits for a silent one at 100 ms: three advertisements and the skew, in whole numbers.
const SILENCE_MS: u64 = 400;
/// The same at 1 s.
const SILENCE_1S_MS: u64 = 3700;

#[test]
fn upgrade() -> Result<()> {
    Event::new("agent upgraded, role kept", 0).measure(&Plan::interval(1.0), |pair, probes| {
        pair.upgrade(0)?;
        // Longer than the lease, which a node has to have renewed.
        probes.wait_more(3500)?;
        pair.wait_forwards(0)
    })
}

#[test]
fn restart_of_a_killed_agent() -> Result<()> {
    Event::new("agent killed and started within the lease", 0).measure(&Plan::interval(1.0), |pair, probes| {
        pair.kill(0)?;
        pair.members[0].start()?;
        probes.wait_more(3500)?;
        pair.wait_forwards(0)
    })
}

#[test]
fn handover() -> Result<()> {
    Event::new("handover", SKEW_MS + 20).measure(&Plan::default(), |pair, _| {
        pair.hand_over(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn handover_and_back() -> Result<()> {
    Event::new("handover, and back", SKEW_MS + 20).measure(&Plan::default(), |pair, probes| {
        pair.hand_over(0)?;
        pair.wait_forwards(1)?;
        probes.wait_more(300)?;
        pair.hand_over(1)?;
        pair.wait_forwards(0)
    })
}

#[test]
fn clean_stop() -> Result<()> {
    Event::new("agent stopped (SIGTERM)", SKEW_MS + 20).measure(&Plan::default(), |pair, _| {
        pair.stop(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn kill() -> Result<()> {
    Event::new("agent killed, not restarted", SILENCE_MS).measure(&Plan::default(), |pair, _| {
        pair.kill(0)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn hang_and_wake() -> Result<()> {
    Event::new("agent hung, then back", SILENCE_MS).measure(&Plan::default(), |pair, probes| {
        pair.hang(0)?;
        pair.wait_forwards(1)?;
        probes.wait_more(300)?;
        pair.wake(0)?;
        probes.wait_more(1000)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn hang_for_less_than_the_lease() -> Result<()> {
    Event::new("agent hung for half its lease", 0).measure(&Plan::interval(1.0), |pair, probes| {
        pair.hang(0)?;
        pause(Duration::from_millis(1000));
        pair.wake(0)?;
        probes.wait_more(3000)?;
        pair.wait_forwards(0)
    })
}

#[test]
fn access_link_down() -> Result<()> {
    Event::new("access link down", SKEW_MS + 100).measure(&Plan::default(), |pair, _| {
        pair.access_link(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn access_link_down_and_up() -> Result<()> {
    Event::new("access link down, then up", SKEW_MS + 100).measure(&Plan::default(), |pair, probes| {
        pair.access_link(0, false)?;
        pair.wait_forwards(1)?;
        pair.access_link(0, true)?;
        probes.wait_more(1000)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn underlay_link_down() -> Result<()> {
    Event::new("underlay link down", SILENCE_MS).measure(&Plan::default(), |pair, _| {
        pair.underlay_link(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn node_gone() -> Result<()> {
    Event::new("node gone", SILENCE_MS).measure(&Plan::default(), |pair, _| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn node_gone_and_back() -> Result<()> {
    Event::new("node gone, then back", SILENCE_MS).measure(&Plan::default(), |pair, probes| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)?;
        pair.all_links(0, true)?;
        probes.wait_more(1000)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn node_gone_with_advertisements_each_second() -> Result<()> {
    Event::new("node gone, 1 s advertisements", SILENCE_1S_MS).measure(&Plan::interval(1.0), |pair, _| {
        pair.all_links(0, false)?;
        pair.wait_forwards(1)
    })
}

#[test]
fn standby_gone() -> Result<()> {
    Event::new("standby gone, then back", 0).measure(&Plan::default(), |pair, probes| {
        pair.all_links(1, false)?;
        probes.wait_more(700)?;
        pair.all_links(1, true)?;
        probes.wait_more(700)?;
        pair.wait_forwards(0)
    })
}

/// Where a node takes the role back, one that failed and is well again does so without an outage to speak of.
#[test]
fn preemption() -> Result<()> {
    let mut plan = Plan::default();
    if let Some(vrrp) = &mut plan.vrrp {
        vrrp.preempt = Some(true);
    }
    Event::new("access link down, then up and preempted", SKEW_MS + 100).measure(&plan, |pair, probes| {
        pair.access_link(0, false)?;
        pair.wait_forwards(1)?;
        probes.wait_more(300)?;
        pair.access_link(0, true)?;
        pair.wait_forwards(0)
    })
}

/// Each going down may move the role; none may leave both forwarding, and in the end one does.
#[test]
fn flapping_access_link() -> Result<()> {
    Event::new("access link flapping", SILENCE_MS)
        .measure(&Plan::default(), |pair, _| pair.flap(0, 8, Duration::from_millis(150)))
}

/// For how long the nodes do not hear each other: long enough for everything to settle on both sides.
const SPLIT: Duration = Duration::from_secs(60);

/// While neither hears the other both are active, and nothing they could know forbids it. Once they do, one is.
#[test]
fn split_brain_healed() -> Result<()> {
    let event = Event::new("split brain healed", 1000);
    let mut pair = Pair::linux(&Plan::default())?;
    pair.start()?;
    let probes = pair.probes()?;
    probes.wait_more(500)?;
    let split = pair.split()?;
    pause(SPLIT);
    drop(split);
    let (healed, mark) = (now(), probes.mark());
    pause(event.bound + ALLOWANCE);
    // Long enough to see an end of any outage.
    pause(Duration::from_secs(5));
    probes.wait_more(500)?;
    let (whole, after) = probes.finish_since(mark)?;
    event.print(&after, 1);
    assert!(whole.strays(Duration::ZERO..=healed) > 0, "the nodes were not split, no broadcast came twice");
    let last = whole.last_stray().unwrap_or(healed).saturating_sub(healed);
    assert!(
        last <= event.bound + ALLOWANCE,
        "packets still came twice {last:?} after the nodes received each other again"
    );
    let outage = after.outage();
    assert!(
        outage <= event.bound + ALLOWANCE,
        "no packet passed for {outage:?} after the nodes received each other again"
    );
    Ok(())
}
