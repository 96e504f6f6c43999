//! Selects the stations of another node that this node programs.

use std::collections::BTreeMap;

use gateway_common::fdb::FdbKey;

use super::stations::{Known, LearnedStations};

/// Stations of another node: those that this node takes, as many of each logical switch as it would learn itself, and
/// those that wait for room. The cost of a change does not depend on the number of stations.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    taken: LearnedStations,
    waiting: LearnedStations,
    /// Number of stations taken of each logical switch, by VNI.
    counts: BTreeMap<u32, u64>,
}

impl Admitted {
    /// Returns the stations taken.
    pub(super) const fn taken(&self) -> &LearnedStations {
        &self.taken
    }

    /// Applies changes: the place where a station is now, or `None` if it is gone. `limit` gives the number of stations
    /// that are taken of a logical switch. Stations taken earlier stay before others; the rest is taken in the order of
    /// the MACs. Returns the stations to program and those to remove.
    pub(super) fn change(
        &mut self,
        changes: impl IntoIterator<Item = (FdbKey, Option<Known>)>,
        limit: impl Fn(u32) -> u64,
    ) -> BTreeMap<FdbKey, Option<Known>> {
        let mut done = BTreeMap::new();
        for (key, now) in changes {
            match (now, self.taken.get_mut(&key)) {
                (Some(now), Some(before)) => {
                    if *before != now {
                        *before = now;
                        done.insert(key, Some(now));
                    }
                }
                (Some(now), None) => {
                    self.waiting.insert(key, now);
                    self.counts.entry(key.vni).or_default();
                }
                (None, Some(_)) => self.leave(&key, &mut done),
                (None, None) => {
                    self.waiting.remove(&key);
                }
            }
        }
        let switches: Vec<u32> = self.counts.keys().copied().collect();
        for vni in switches {
            self.fill(vni, limit(vni), &mut done);
        }
        done
    }

    /// Makes room if there are more than `limit`, and takes waiting stations if there are fewer.
    fn fill(&mut self, vni: u32, limit: u64, done: &mut BTreeMap<FdbKey, Option<Known>>) {
        let all = FdbKey::new(vni, [0; 6])..=FdbKey::new(vni, [0xff; 6]);
        while self.count(vni) > limit
            && let Some((last, known)) = self.taken.range(all.clone()).next_back().map(|(key, known)| (*key, *known))
        {
            self.leave(&last, done);
            self.waiting.insert(last, known);
        }
        while self.count(vni) < limit
            && let Some(first) = self.waiting.range(all.clone()).next().map(|(key, _)| *key)
            && let Some(known) = self.waiting.remove(&first)
        {
            self.taken.insert(first, known);
            *self.counts.entry(vni).or_default() += 1;
            done.insert(first, Some(known));
        }
        if self.count(vni) == 0 && self.waiting.range(all).next().is_none() {
            self.counts.remove(&vni);
        }
    }

    fn leave(&mut self, key: &FdbKey, done: &mut BTreeMap<FdbKey, Option<Known>>) {
        if self.taken.remove(key).is_some() {
            if let Some(count) = self.counts.get_mut(&key.vni) {
                *count = count.saturating_sub(1);
            }
            done.insert(*key, None);
        }
    }

    fn count(&self, vni: u32) -> u64 {
        self.counts.get(&vni).copied().unwrap_or(0)
    }
}
