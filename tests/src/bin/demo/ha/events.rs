//! The events of the pair, one after the other.

use std::{sync::atomic::Ordering, thread, time::Duration};

use anyhow::{Result, bail};
use lab::{
    cluster::{Pair, Plan, Probes},
    wait::pause,
};

use super::{INTERVAL, live::Live, screen::Screen, table::Outcome};
use crate::INTERRUPTED;

/// Time to read the description of an event before it happens.
const READ: Duration = Duration::from_secs(2);

/// Time until the last packets of an event have arrived.
const ARRIVE: Duration = Duration::from_millis(200);

/// An event.
struct Event {
    /// Its line in the table.
    name: &'static str,
    /// Its description, which is printed before it.
    text: [&'static str; 2],
    happen: fn(&mut Pair, &Probes) -> Result<()>,
    /// The node that forwards afterwards.
    forwards: usize,
    /// Time without a forwarding node, by the protocol.
    wait: Duration,
}

fn events(priorities: [u8; 2]) -> [Event; 5] {
    let interval = Duration::from_secs_f64(INTERVAL);
    let skew = |node: usize| interval * (256 - u32::from(priorities[node])) / 256;
    [
        Event {
            name: "handover",
            text: [
                "An operator has gw1 give its role away: `vtep-gateway handover`.",
                "gw2 takes it after its skew time.",
            ],
            happen: |pair, _| pair.hand_over(0),
            forwards: 1,
            wait: skew(1),
        },
        Event {
            name: "agent killed, later started",
            text: [
                "The agent of gw2, which is active now, is killed with SIGKILL. The kernel",
                "forwards until its lease ends, then gw1 takes over. gw2 is started again.",
            ],
            happen: |pair, probes| {
                pair.kill(1)?;
                pair.wait_forwards(0)?;
                probes.wait_more(1000)?;
                pair.members[1].start()?;
                // For three seconds it can't know about other nodes.
                probes.wait_more(3500)
            },
            forwards: 0,
            wait: 3 * interval + skew(0),
        },
        Event {
            name: "node unplugged",
            text: [
                "gw1 loses all its cables at once, as if its power failed.",
                "gw2 no longer hears it and takes over.",
            ],
            happen: |pair, _| pair.all_links(0, false),
            forwards: 1,
            wait: 3 * interval + skew(1),
        },
        Event {
            name: "node back",
            text: ["gw1 has its cables again. It does not take the role back, for its file has", "preempt = false."],
            happen: |pair, probes| {
                pair.all_links(0, true)?;
                probes.wait_more(2000)
            },
            forwards: 1,
            wait: Duration::ZERO,
        },
        Event {
            name: "agent upgraded",
            text: [
                "The agent of gw2 is replaced: `vtep-gateway exit --keep-role`, and a new one.",
                "The old one leaves a lease of three seconds, and the kernel forwards on.",
            ],
            happen: |pair, probes| {
                pair.upgrade(1)?;
                // Longer than the lease that was left behind.
                probes.wait_more(3500)
            },
            forwards: 1,
            wait: Duration::ZERO,
        },
    ]
}

/// Runs all events, up to the first one without recovery.
pub(super) fn run(pair: &mut Pair, plan: &Plan) -> Result<Vec<Outcome>> {
    let screen = Screen::new();
    let probes = pair.probes()?;
    let live = Live::new(pair, &probes, &screen)?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    thread::scope(|scope| {
        live.head();
        scope.spawn(|| live.run());
        pause(READ);
        let mut holder = 0;
        for (number, event) in (1..).zip(events(plan.priorities)) {
            let outcome = event.run(number, holder, pair, &probes, &live, &screen);
            holder = event.forwards;
            let over = outcome.recovered.is_err();
            outcomes.push(outcome);
            if over {
                break;
            }
        }
        live.end();
    });
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    screen.clear();
    probes.finish()?;
    Ok(outcomes)
}

impl Event {
    /// Runs the event; `holder` is the node that has the role before.
    fn run(
        &self,
        number: u32,
        holder: usize,
        pair: &mut Pair,
        probes: &Probes,
        live: &Live,
        screen: &Screen,
    ) -> Outcome {
        let prepared = give_back(holder, pair, screen);
        screen.say("");
        screen.say(&format!("{number}. {}", self.text[0]));
        screen.say(&format!("   {}", self.text[1]));
        live.restart();
        pause(READ);
        screen.say("   Now:");
        let from = probes.mark();
        // A packet has to arrive before the event: a gap is from one packet to the next.
        let recovered = prepared
            .and_then(|()| probes.wait_more(200))
            .and_then(|()| (self.happen)(pair, probes))
            .and_then(|()| probes.wait_more(1500));
        let to = probes.mark();
        pause(ARRIVE);
        let outcome = Outcome { name: self.name, wait: self.wait, report: probes.between(from, to), recovered };
        screen.say(&format!("   {}", outcome.line()));
        outcome
    }
}

/// Restores the role for the next event. Both nodes are on one machine. If that stalls for longer than three intervals,
/// either node may claim the role when it goes on. Then the role is given back, so that the events match their
/// descriptions.
fn give_back(holder: usize, pair: &mut Pair, screen: &Screen) -> Result<()> {
    let Some(vrid) = pair.members[holder].config.vrrp.first().map(|vrrp| vrrp.vrid) else { return Ok(()) };
    if pair.members[holder].role(vrid).as_deref() == Some("active") {
        return Ok(());
    }
    screen.say("");
    screen.say("(The role has moved by itself: this machine stood still for longer than the");
    screen.say(" lease. It is given back first.)");
    pair.hand_over(1 - holder)?;
    pair.wait_forwards(holder)
}
