//! What one node of a virtual router has learned, in the maps of another: a standby has the stations of the active node, so
//! that after a takeover they need not be looked for by flooding.

use std::collections::BTreeMap;

use gateway_common::{
    binding::BindingKey,
    fdb::{self, FdbEntry, FdbKey, Target},
};

use super::{error::AgentError, forwarding::Forwarding, stations::Heard};
use crate::{
    clock,
    datapath::{Desired, Given, learned::NEVER, op::Op},
};

impl Forwarding {
    /// This node is active for the virtual router with this lease, from now on; or another one is.
    pub(super) fn role(&mut self, lease: u32, active: bool) -> Result<(), AgentError> {
        let epoch = if active { clock::coarse_ns()? } else { NEVER };
        self.epochs.insert(lease, epoch);
        if active {
            self.followed.remove(&lease);
        }
        Ok(())
    }

    /// What forwarding should be, but for the MACs.
    pub(super) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The MACs that are given.
    pub(super) fn given(&self) -> &Given {
        &self.programmed.given
    }

    /// Stations behind tunnels that were learned, not given.
    pub(super) fn learned_remotes(&self) -> Vec<FdbKey> {
        if !self.desired.segments.values().any(|segment| segment.learn_remote) {
            // A walk through a hundred thousand given ones would find none.
            return Vec::new();
        }
        let learned = self.maps.fdb().filter_map(Result::ok);
        let remote = learned.filter(|(_, entry)| entry.origin == fdb::LEARNED && entry.to.kind == fdb::REMOTE);
        remote.map(|(key, _)| key).collect()
    }

    /// The learned stations of a lease, each with the place it is behind.
    pub(super) fn learned_here(&self, lease: u32) -> Heard {
        let known = self.stations.all().iter().filter(|(key, _)| self.is_of(lease, key.vni));
        known
            .filter_map(|(key, ip)| {
                let entry = self.maps.mac(key).ok()??;
                let at = BindingKey { ifindex: entry.to.out, vlan: entry.to.vlan, reserved: 0 };
                (entry.to.kind == fdb::LOCAL).then_some((*key, (at, *ip)))
            })
            .collect()
    }

    /// How many bindings of each lease are programmed: what this node forwards, or could.
    pub(super) fn able(&self) -> BTreeMap<u32, u32> {
        let mut able = BTreeMap::new();
        for binding in self.programmed.bindings.values() {
            if let Some(segment) = self.programmed.segments.get(&binding.vni) {
                *able.entry(segment.lease).or_default() += 1;
            }
        }
        able
    }

    /// Programs the stations that the active node of a virtual router has learned, as many of each logical switch as this
    /// node would learn itself. What is learned here and is not among them goes.
    pub(super) fn follow(&mut self, lease: u32, heard: Heard) -> Result<(), AgentError> {
        let before = self.followed.remove(&lease);
        let segments = &self.desired.segments;
        let limit = |vni: u32| segments.get(&vni).map_or(0, |segment| segment.learn_limit);
        let heard = within_limits(heard, before.as_ref(), limit);
        let now = clock::coarse_ns()?;
        let known: Vec<FdbKey> = match &before {
            Some(before) => before.keys().copied().collect(),
            None => self.stations.all().keys().copied().filter(|key| self.is_of(lease, key.vni)).collect(),
        };
        let mut change = self.maps.change();
        for key in known.iter().filter(|key| !heard.contains_key(key) && !self.programmed.given.contains_key(key)) {
            change.remove_mac(key)?;
            self.stations.gone(key);
        }
        for (key, station) in &heard {
            if before.as_ref().is_some_and(|before| before.get(key) == Some(station)) {
                continue;
            }
            let (at, ip) = station;
            let binding = self.programmed.bindings.get(at).filter(|binding| binding.vni == key.vni);
            let (Some(binding), false) = (binding, self.programmed.given.contains_key(key)) else { continue };
            let to = Target::local(at.ifindex, at.vlan, binding.id);
            let entry = FdbEntry { to, seen: now, origin: fdb::LEARNED, flags: binding.flags };
            let same = |known: &FdbEntry| (known.to, known.origin, known.flags) == (to, fdb::LEARNED, binding.flags);
            let written = if change.mac(key)?.as_ref().is_some_and(same) {
                Ok(())
            } else {
                change.write(&Op::PutMac(*key, entry))
            };
            match written {
                Ok(()) => self.stations.there(*key),
                Err(error) if error.is_full() => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(ip) = ip {
                self.stations.announced(*key, *ip);
            }
        }
        drop(change);
        self.followed.insert(lease, heard);
        Ok(())
    }

    /// Does the same once more with what was heard last: bindings may have come or changed since.
    pub(super) fn follow_again(&mut self) -> Result<(), AgentError> {
        let all: Vec<(u32, Heard)> = std::mem::take(&mut self.followed).into_iter().collect();
        all.into_iter().try_for_each(|(lease, heard)| self.follow(lease, heard))
    }

    fn is_of(&self, lease: u32, vni: u32) -> bool {
        self.programmed.segments.get(&vni).is_some_and(|segment| segment.lease == lease)
    }
}

/// As many stations of each logical switch as it may learn: those that were there before, then others.
fn within_limits(mut heard: Heard, before: Option<&Heard>, limit: impl Fn(u32) -> u64) -> Heard {
    let mut counts = BTreeMap::<u32, u64>::new();
    heard.keys().for_each(|key| *counts.entry(key.vni).or_default() += 1);
    counts.retain(|vni, count| *count > limit(*vni));
    if counts.is_empty() {
        return heard;
    }
    let was = |key: &FdbKey| before.is_some_and(|before| before.contains_key(key));
    let mut room: BTreeMap<u32, u64> = counts.keys().map(|vni| (*vni, limit(*vni))).collect();
    for key in heard.keys().filter(|key| was(key)) {
        room.entry(key.vni).and_modify(|room| *room = room.saturating_sub(1));
    }
    let mut kept: BTreeMap<u32, u64> = counts.keys().map(|vni| (*vni, limit(*vni))).collect();
    heard.retain(|key, _| {
        // Those from before have their places; the rest is for new ones.
        let left = if was(key) { &mut kept } else { &mut room };
        match left.get_mut(&key.vni) {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    });
    heard
}

#[cfg(test)]
mod tests {
    use gateway_common::binding::BindingKey;

    use super::*;

    fn stations(vni: u32, numbers: std::ops::Range<u8>) -> Heard {
        let at = BindingKey { ifindex: 3, vlan: 100, reserved: 0 };
        numbers.map(|number| (FdbKey::new(vni, [2, 0, 0, 0, 0, number]), (at, None))).collect()
    }

    fn both(a: Heard, b: Heard) -> Heard {
        a.into_iter().chain(b).collect()
    }

    #[test]
    fn stations_of_another_node_are_taken_up_to_the_learn_limit_of_each_switch() {
        let heard = both(stations(1, 0..10), stations(2, 0..3));
        let limit = |vni| if vni == 1 { 4 } else { 3 };
        let taken = within_limits(heard.clone(), None, limit);
        assert_eq!(taken, both(stations(1, 0..4), stations(2, 0..3)));
        assert_eq!(within_limits(heard.clone(), None, |_| 100), heard);
        assert!(within_limits(heard, None, |_| 0).is_empty(), "a switch that is not here learns nothing");
    }

    #[test]
    fn those_that_were_there_stay_when_others_come() {
        let before = stations(1, 5..8);
        let taken = within_limits(stations(1, 0..10), Some(&before), |_| 4);
        assert_eq!(taken, both(stations(1, 0..1), before.clone()));
        let taken = within_limits(stations(1, 0..10), Some(&before), |_| 2);
        assert_eq!(taken, stations(1, 5..7), "a limit that was lowered holds for them, too");
        let taken = within_limits(stations(1, 6..10), Some(&before), |_| 3);
        assert_eq!(taken, both(stations(1, 6..8), stations(1, 8..9)));
    }
}
