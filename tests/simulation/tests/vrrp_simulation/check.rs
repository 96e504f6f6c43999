//! Invariants of the simulation.
//!
//! Two nodes *hear each other* at a moment if no advertisement between them was disturbed for a while before it: four
//! of the longest advertised intervals, and 2 ms. An advertisement is disturbed if it is lost, late (more than 2 ms
//! from leaving to the other's socket), or arrives while no process listens. A process that stalls still hears: its use
//! of the socket does not count. The start of a node of priority 255 counts as a loss too: it claims before it could
//! have received an advertisement.
//!
//! If only one direction works, two nodes may forward for a while, but only until the one that hears has noticed.
//!
//! A node *forwards* while it is alive and its coarse clock is below its lease in the map.

use std::time::Duration;

use crate::{
    clock::{Clock, MILLISECOND, Moment},
    schedule::Schedule,
};

pub(crate) struct Check {
    /// End of each node's forwarding if nothing happens.
    pub(crate) forwards: Vec<Moment>,
    /// The latest lease of each node that its sent advertisements allow.
    allowed: Vec<Duration>,
    /// Time since which two nodes have both been forwarding.
    both: Vec<Vec<Option<Moment>>>,
    /// Time for which two nodes must have been undisturbed.
    undisturbed: u64,
    /// The same if one direction is enough.
    one_way: u64,
    /// Time from which on exactly one node has to forward.
    settled: Moment,
    now: Moment,
}

impl Check {
    pub(crate) fn new(nodes: usize, schedule: &Schedule) -> Self {
        Self {
            forwards: vec![0; nodes],
            allowed: vec![Duration::ZERO; nodes],
            both: vec![vec![None; nodes]; nodes],
            undisturbed: 4 * schedule.longest + 2 * MILLISECOND,
            one_way: schedule.one_way,
            settled: schedule.settled,
            now: 0,
        }
    }

    /// Checks the time up to `now`, in which nothing happened. `disturbed[from][to]` is the last disturbance. Returns
    /// the violation, if any.
    pub(crate) fn advance(&mut self, now: Moment, disturbed: &[Vec<Option<Moment>>]) -> Result<(), String> {
        let before = std::mem::replace(&mut self.now, now);
        let pairs = (0..self.forwards.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        for (one, other) in pairs {
            let both_until = self.forwards[one].min(self.forwards[other]).min(now);
            if both_until <= before {
                self.both[one][other] = None;
                continue;
            }
            let (there, back) = (disturbed[one][other], disturbed[other][one]);
            if there.max(back).is_none_or(|at| at + self.undisturbed < both_until) {
                return Err(format!("{one} and {other} forward at {both_until} and hear each other"));
            }
            let since = *self.both[one][other].get_or_insert(before);
            let noticed = since.max(there.min(back).unwrap_or_default());
            if noticed + self.one_way < both_until {
                return Err(format!("{one} and {other} forward at {both_until} and one hears the other"));
            }
            if both_until < now {
                self.both[one][other] = None;
            }
        }
        let from = self.settled.max(before);
        if from < now {
            let forwarding: Vec<usize> = (0..self.forwards.len()).filter(|node| self.forwards[*node] > from).collect();
            match forwarding[..] {
                [node] if self.forwards[node] >= now => {}
                [node] => return Err(format!("no node forwards at {}, when {node} stops", self.forwards[node])),
                [] => return Err(format!("no node forwards at {from}")),
                _ => return Err(format!("{forwarding:?} forward at {from}")),
            }
        }
        Ok(())
    }

    /// Records that an advertisement has left.
    pub(crate) fn tx_completed(&mut self, node: usize, started: Duration, three: Duration) {
        self.allowed[node] = self.allowed[node].max(started + three);
    }

    /// Records that the lease of a node is written.
    pub(crate) fn lease(&mut self, node: usize, lease: Duration, clock: &Clock) -> Result<(), String> {
        if lease > self.allowed[node] {
            return Err(format!("the lease of {node} is not covered by what it has sent"));
        }
        self.forwards[node] = clock.fenced(lease);
        Ok(())
    }

    /// Records that a node is gone, its programs with it.
    pub(crate) fn dead(&mut self, node: usize) {
        self.forwards[node] = 0;
    }

    pub(crate) fn forwards(&self, node: usize) -> bool {
        self.forwards[node] > self.now
    }
}
