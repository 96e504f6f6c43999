//! Keeping what the kernel learns in bounds: ageing, the limit per logical switch, and the precedence of what was given.

use std::collections::BTreeMap;

use gateway_common::{
    fdb::{self, FdbEntry, FdbKey},
    limits::REFRESH_NS,
};

use super::{
    desired::SegmentPlan,
    maps::{Maps, MapsError},
};

/// What one walk through the forwarding database found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Learned MACs that stay, by VNI.
    pub learned: BTreeMap<u32, u64>,
    /// Learned MACs that have not been heard of for the ageing time.
    pub aged: Vec<FdbKey>,
}

impl Census {
    /// Sorts `rows` by whether they are too old at `now` (CLOCK_MONOTONIC nanoseconds).
    ///
    /// The kernel writes a MAC's time at most once a second, so a second is allowed on top.
    pub fn take(rows: impl Iterator<Item = (FdbKey, FdbEntry)>, now: u64, ageing: u64) -> Self {
        let mut census = Self::default();
        for (key, entry) in rows.filter(|(_, entry)| entry.origin == fdb::LEARNED) {
            if now.saturating_sub(entry.seen) > ageing.saturating_add(REFRESH_NS) {
                census.aged.push(key);
            } else {
                *census.learned.entry(key.vni).or_default() += 1;
            }
        }
        census
    }
}

/// Forgets the MACs that have aged, and gives the learning ceiling of each logical switch: what the kernel has counted so
/// far, and as many more as the limit leaves.
pub fn sweep(
    maps: &mut Maps,
    segments: &BTreeMap<u32, SegmentPlan>,
    now: u64,
    ageing: u64,
) -> Result<(Census, BTreeMap<u32, u64>), MapsError> {
    // Counted before the walk: what is learned meanwhile counts against the limit, not for it.
    let mut counted = BTreeMap::new();
    for vni in segments.keys() {
        counted.insert(*vni, maps.learned(*vni)?);
    }
    let census = Census::take(maps.fdb().filter_map(Result::ok), now, ageing);
    for key in &census.aged {
        maps.remove_mac(key)?;
    }
    let ceilings = counted.into_iter().map(|(vni, counted)| {
        let limit = segments.get(&vni).map_or(0, |plan| plan.learn_limit);
        let present = census.learned.get(&vni).copied().unwrap_or(0);
        (vni, counted + limit.saturating_sub(present))
    });
    let ceilings = ceilings.collect();
    Ok((census, ceilings))
}

/// How often to sweep: an eighth of the ageing time, between one and thirty seconds.
pub fn sweep_interval(ageing: std::time::Duration) -> std::time::Duration {
    (ageing / 8).clamp(std::time::Duration::from_secs(1), std::time::Duration::from_secs(30))
}
