//! Limits for the MACs that the kernel learns: ageing, the limit per logical switch, and the precedence of static MACs.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    binding::BindingKey,
    fdb::{self, FdbEntry, FdbKey},
    limits::SEEN_LAG_NS,
    logical_switch::LEARN_REMOTE,
};

use super::{
    desired::SwitchPlan,
    maps::{Maps, MapsError},
    op::Op,
    programmed::Programmed,
};

/// For each lease, the time since which this node would have received packets of a station (CLOCK_MONOTONIC
/// nanoseconds). A MAC that the previous active node learned does not age for the time before. [`NEVER`]: this node
/// receives nothing now.
pub type Epochs = BTreeMap<u32, u64>;

/// Epoch of an instance for which another node is active: nothing ages here.
pub const NEVER: u64 = u64::MAX;

/// Result of one FDB scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdbScan {
    /// Learned MACs that stay, by VNI.
    pub learned: BTreeMap<u32, u64>,
    /// Those of them that are behind access ports, each with its port and VLAN.
    pub local: BTreeMap<FdbKey, BindingKey>,
    /// Those of them that are behind tunnels.
    pub remote: BTreeSet<FdbKey>,
    /// Learned MACs that were silent for the ageing time.
    pub aged: Vec<FdbKey>,
    /// Learned MACs at places that are no longer theirs: an agent died, or a CPU was slow, while a binding or tunnel
    /// was removed. Its number may soon mean another place.
    pub stray: Vec<FdbKey>,
    /// Static MACs that the kernel has overwritten by learning, and whose event was lost.
    pub overwritten: Vec<FdbKey>,
}

impl FdbScan {
    /// Sorts `rows` by their validity, against the programmed state and at `now` (CLOCK_MONOTONIC nanoseconds).
    ///
    /// The kernel updates the time of a MAC only now and then, so [`SEEN_LAG_NS`] is added to the ageing time.
    pub fn take(
        rows: impl Iterator<Item = (FdbKey, FdbEntry)>,
        programmed: &Programmed,
        epochs: &Epochs,
        now: u64,
        ageing: u64,
    ) -> Self {
        let mut fdb_scan = Self::default();
        let epoch = |vni| epochs.get(&programmed.switches.get(&vni)?.lease).copied();
        let silent = |key: &FdbKey, entry: &FdbEntry| now.saturating_sub(entry.seen.max(epoch(key.vni).unwrap_or(0)));
        for (key, entry) in rows.filter(|(_, entry)| entry.origin == fdb::LEARNED) {
            if programmed.static_macs.contains_key(&key) {
                fdb_scan.overwritten.push(key);
            } else if !holds(&key, &entry, programmed) {
                fdb_scan.stray.push(key);
            } else if silent(&key, &entry) > ageing.saturating_add(SEEN_LAG_NS) {
                fdb_scan.aged.push(key);
            } else {
                *fdb_scan.learned.entry(key.vni).or_default() += 1;
                if entry.to.kind == fdb::LOCAL {
                    fdb_scan.local.insert(key, place(&entry));
                } else {
                    fdb_scan.remote.insert(key);
                }
            }
        }
        fdb_scan
    }
}

/// Returns true if the kernel, with the programmed state, could learn this MAC.
fn holds(key: &FdbKey, entry: &FdbEntry, programmed: &Programmed) -> bool {
    let to = &entry.to;
    if to.kind == fdb::REMOTE {
        let learns = programmed.switches.get(&key.vni).is_some_and(|switch| switch.flags & LEARN_REMOTE != 0);
        return learns && programmed.tunnels.contains_key(&to.out);
    }
    programmed
        .bindings
        .get(&place(entry))
        .is_some_and(|binding| (binding.vni, binding.id, binding.flags) == (key.vni, to.binding, entry.flags))
}

/// Returns the port and VLAN of a station that is not behind a tunnel.
const fn place(entry: &FdbEntry) -> BindingKey {
    BindingKey { ifindex: entry.to.out, vlan: entry.to.vlan, reserved: 0 }
}

/// Forgets MACs that have aged or strayed, restores static ones, and returns the learning ceiling of each logical
/// switch.
pub fn age_fdb(
    maps: &mut Maps,
    programmed: &Programmed,
    switches: &BTreeMap<u32, SwitchPlan>,
    epochs: &Epochs,
    now: u64,
    ageing: u64,
) -> Result<(FdbScan, BTreeMap<u32, u64>), MapsError> {
    // Counted before the walk: a MAC that is learned meanwhile counts against the limit, not for it.
    let mut counted = BTreeMap::new();
    for vni in switches.keys() {
        counted.insert(*vni, maps.learned(*vni)?);
    }
    let mut fdb_scan = FdbScan::take(maps.fdb().filter_map(Result::ok), programmed, epochs, now, ageing);
    let mut change = maps.change();
    for key in fdb_scan.aged.iter().chain(&fdb_scan.stray) {
        change.remove_mac(key)?;
    }
    for key in &fdb_scan.overwritten {
        if let Some(entry) = programmed.static_macs.get(key) {
            change.write(&Op::PutMac(*key, entry))?;
        }
    }
    for (vni, plan) in switches {
        let present = fdb_scan.learned.get_mut(vni);
        if let Some(present) = present
            && *present > plan.learn_limit
        {
            // The limit is lower now, or static MACs have taken room: the MACs that were silent for longest are removed.
            let rows = change.fdb().filter_map(Result::ok);
            for key in silent_longest(rows, *vni, *present - plan.learn_limit) {
                change.remove_mac(&key)?;
                fdb_scan.local.remove(&key);
                fdb_scan.remote.remove(&key);
                *present -= 1;
            }
        }
    }
    let ceilings = counted.into_iter().map(|(vni, counted)| {
        let limit = switches.get(&vni).map_or(0, |plan| plan.learn_limit);
        let present = fdb_scan.learned.get(&vni).copied().unwrap_or(0);
        (vni, ceiling(counted, limit, present))
    });
    let ceilings = ceilings.collect();
    Ok((fdb_scan, ceilings))
}

/// Returns the `count` learned MACs of `vni` that were silent for longest.
fn silent_longest(rows: impl Iterator<Item = (FdbKey, FdbEntry)>, vni: u32, count: u64) -> Vec<FdbKey> {
    let mut learned: Vec<(u64, FdbKey)> = rows
        .filter(|(key, entry)| key.vni == vni && entry.origin == fdb::LEARNED)
        .map(|(key, entry)| (entry.seen, key))
        .collect();
    learned.sort_unstable();
    learned.into_iter().take(usize::try_from(count).unwrap_or(usize::MAX)).map(|(_, key)| key).collect()
}

/// Returns the ceiling: the MACs that the kernel has counted so far, plus those that the limit leaves.
const fn ceiling(counted: u64, limit: u64, present: u64) -> u64 {
    counted.saturating_add(limit.saturating_sub(present))
}

/// Returns the interval of FDB scans: an eighth of the ageing time, between one and thirty seconds.
pub fn ageing_interval(ageing: std::time::Duration) -> std::time::Duration {
    (ageing / 8).clamp(std::time::Duration::from_secs(1), std::time::Duration::from_secs(30))
}

#[cfg(test)]
#[path = "learned_tests.rs"]
mod tests;
