//! What must never happen.
//!
//! Two nodes *hear each other* at a moment if during four of the longest intervals that are advertised, and 2 ms,
//! before it no advertisement from either to the other was lost, late (more than 2 ms from leaving to the other's
//! socket), or arrived where no process listened. What a process does with its socket is its own affair: one that stalls
//! still hears. The start of a node of priority 255 counts as a loss too: it claims before it could have heard anybody.
//!
//! Where one direction works and the other does not, two may forward for a while, but not for longer than it takes the
//! one that hears to find out.
//!
//! A node *forwards* while it is alive and its coarse clock is below its lease in the map.

use std::time::Duration;

use crate::{
    clock::{Clock, MILLISECOND, Moment},
    schedule::Schedule,
};

pub(crate) struct Check {
    /// Until when each node forwards if nothing happens.
    pub(crate) forwards: Vec<Moment>,
    /// The latest lease that the advertisements that have left allow each node.
    allowed: Vec<Duration>,
    /// Since when two nodes forward at once.
    both: Vec<Vec<Option<Moment>>>,
    /// How long two nodes must have been undisturbed.
    undisturbed: u64,
    /// The same where one direction is enough.
    one_way: u64,
    /// From when on exactly one has to forward.
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

    /// Nothing happened before `now`; `disturbed[from][to]` is the last disturbance. Says what was wrong meanwhile.
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
            let heard = since.max(there.min(back).unwrap_or_default());
            if heard + self.one_way < both_until {
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
                [node] => return Err(format!("nobody forwards at {}, when {node} stops", self.forwards[node])),
                [] => return Err(format!("nobody forwards at {from}")),
                _ => return Err(format!("{forwarding:?} forward at {from}")),
            }
        }
        Ok(())
    }

    /// An advertisement has left.
    pub(crate) fn tx_completed(&mut self, node: usize, started: Duration, three: Duration) {
        self.allowed[node] = self.allowed[node].max(started + three);
    }

    /// The lease of a node is written.
    pub(crate) fn lease(&mut self, node: usize, lease: Duration, clock: &Clock) -> Result<(), String> {
        if lease > self.allowed[node] {
            return Err(format!("the lease of {node} is not covered by what it has sent"));
        }
        self.forwards[node] = clock.fenced(lease);
        Ok(())
    }

    /// It is gone, its programs with it.
    pub(crate) fn dead(&mut self, node: usize) {
        self.forwards[node] = 0;
    }

    pub(crate) fn forwards(&self, node: usize) -> bool {
        self.forwards[node] > self.now
    }
}
