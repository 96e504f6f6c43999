//! Standby FDB: programs the stations of the active node at a standby, so that after a takeover they are not looked for
//! by flooding.

use std::{collections::BTreeMap, sync::Arc};

use gateway_base::clock;
use gateway_common::{
    binding::BindingKey,
    fdb::{self, FdbEntry, FdbKey, Target},
};
use gateway_datapath::{Desired, StaticMacs, learned::NEVER, op::Op};
use gateway_ha::peers::{Changes, Station, Stations};

use super::{admitted::Admitted, error::AgentError, forwarding::Forwarding, state_sync::Ports, stations::Known};

impl Forwarding {
    /// Sets whether this node is active for the virtual router with this lease.
    pub(super) fn role(&mut self, lease: u32, active: bool) -> Result<(), AgentError> {
        let epoch = if active { clock::coarse_ns()? } else { NEVER };
        self.epochs.insert(lease, epoch);
        if active {
            self.standby_fdb.remove(&lease);
        }
        Ok(())
    }

    /// Returns the desired state, without the MACs.
    pub(super) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Returns the MACs given by the database.
    pub(super) fn given(&self) -> &StaticMacs {
        &self.programmed.static_macs
    }

    /// Returns the stations behind tunnels that were learned, not given.
    pub(super) fn learned_remotes(&self) -> Vec<FdbKey> {
        if !self.desired.switches.values().any(|switch| switch.learn_remote) {
            // A walk through a hundred thousand given MACs would find none.
            return Vec::new();
        }
        let learned = self.maps.fdb().filter_map(Result::ok);
        let remote = learned.filter(|(_, entry)| entry.origin == fdb::LEARNED && entry.to.kind == fdb::REMOTE);
        remote.map(|(key, _)| key).collect()
    }

    /// Returns the lease of each logical switch, by VNI.
    pub(super) fn leases_of_switches(&self) -> BTreeMap<u32, u32> {
        self.programmed.switches.iter().map(|(vni, switch)| (*vni, switch.lease)).collect()
    }

    /// Returns the number of programmed bindings by lease, which this node forwards or could forward.
    pub(super) fn able(&self) -> BTreeMap<u32, u32> {
        let mut able = BTreeMap::new();
        for binding in self.programmed.bindings.values() {
            if let Some(switch) = self.programmed.switches.get(&binding.vni) {
                *able.entry(switch.lease).or_default() += 1;
            }
        }
        able
    }

    /// Programs the stations that the active node of a virtual router has learned, as many of each logical switch as
    /// this node would learn itself. Later calls look only at the changes. The first call also removes stations that
    /// are learned here and not among them; so does a call after interfaces have changed.
    pub(super) fn follow(&mut self, lease: u32, heard: &Stations, ports: &Arc<Ports>) -> Result<(), AgentError> {
        let limit = |vni: u32| self.desired.switches.get(&vni).map_or(0, |switch| switch.learn_limit);
        let Some(mut followed) = self.standby_fdb.remove(&lease).filter(|known| Arc::ptr_eq(&known.ports, ports))
        else {
            let mut followed = Followed { heard: heard.clone(), ports: Arc::clone(ports), ..Followed::default() };
            followed.admitted.change(heard.iter().filter_map(|one| here(&one, ports)), limit);
            return self.follow_all(lease, followed);
        };
        let Changes { there, gone } = heard.changes_since(&followed.heard);
        let gone = gone.iter().map(|one| (key(one), None));
        let there = there.iter().filter_map(|one| here(one, ports));
        // A station that has moved is in both.
        let changes: BTreeMap<FdbKey, Option<Known>> = gone.chain(there).collect();
        let changes = followed.admitted.change(changes, limit);
        followed.heard = heard.clone();
        let (gone, there): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, known)| known.is_none());
        self.unfollow(gone.into_iter().map(|(key, _)| *key))?;
        self.program_followed(there.into_iter().filter_map(|(key, known)| Some((*key, (*known)?))))?;
        self.standby_fdb.insert(lease, followed);
        Ok(())
    }

    /// Applies the last received stations again: bindings and limits may have changed since.
    pub(super) fn follow_again(&mut self) -> Result<(), AgentError> {
        for (lease, mut followed) in std::mem::take(&mut self.standby_fdb) {
            let limit = |vni: u32| self.desired.switches.get(&vni).map_or(0, |switch| switch.learn_limit);
            followed.admitted.change([], limit);
            self.follow_all(lease, followed)?;
        }
        Ok(())
    }

    /// Programs all followed stations, and removes the other stations learned here.
    fn follow_all(&mut self, lease: u32, followed: Followed) -> Result<(), AgentError> {
        let taken = followed.admitted.taken();
        let of_lease = self.stations.all().keys().filter(|key| self.is_of(lease, key.vni));
        let others: Vec<FdbKey> = of_lease.filter(|key| !taken.contains_key(key)).copied().collect();
        self.unfollow(others.into_iter())?;
        self.program_followed(taken.iter().map(|(key, known)| (*key, *known)))?;
        self.standby_fdb.insert(lease, followed);
        Ok(())
    }

    fn unfollow(&mut self, keys: impl Iterator<Item = FdbKey>) -> Result<(), AgentError> {
        let mut change = self.maps.change();
        for key in keys.filter(|key| !self.programmed.static_macs.contains_key(key)) {
            change.remove_mac(&key)?;
            self.stations.gone(&key);
        }
        Ok(())
    }

    fn program_followed(&mut self, stations: impl Iterator<Item = (FdbKey, Known)>) -> Result<(), AgentError> {
        let now = clock::coarse_ns()?;
        let mut change = self.maps.change();
        for (key, Known { at, ip }) in stations {
            let binding = self.programmed.bindings.get(&at).filter(|binding| binding.vni == key.vni);
            let (Some(binding), false) = (binding, self.programmed.static_macs.contains_key(&key)) else { continue };
            let to = Target::local(at.ifindex, at.vlan, binding.id);
            let entry = FdbEntry { to, seen: now, origin: fdb::LEARNED, flags: binding.flags };
            let same = |known: &FdbEntry| (known.to, known.origin, known.flags) == (to, fdb::LEARNED, binding.flags);
            let written = if change.mac(&key)?.as_ref().is_some_and(same) {
                Ok(())
            } else {
                change.write(&Op::PutMac(key, entry))
            };
            match written {
                Ok(()) => self.stations.there(key, at),
                Err(error) if error.is_full() => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(ip) = ip {
                self.stations.announced(key, ip);
            }
        }
        Ok(())
    }

    fn is_of(&self, lease: u32, vni: u32) -> bool {
        self.programmed.switches.get(&vni).is_some_and(|switch| switch.lease == lease)
    }
}

/// Stations of a lease as another node has published them, and those that this node has programmed.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Stations as last received.
    heard: Stations,
    /// Interfaces that they were resolved with.
    ports: Arc<Ports>,
    admitted: Admitted,
}

impl Followed {
    /// Returns true if this node has programmed the station.
    pub(super) fn contains(&self, key: &FdbKey) -> bool {
        self.admitted.taken().contains_key(key)
    }

    /// Returns the number of stations that this node has programmed.
    pub(super) fn len(&self) -> usize {
        self.admitted.taken().len()
    }
}

fn key(station: &Station) -> FdbKey {
    FdbKey::new(station.vni.get(), station.mac.0)
}

/// Resolves a station of another node on this node, if the interface exists here.
fn here(station: &Station, ports: &Ports) -> Option<(FdbKey, Option<Known>)> {
    let at = BindingKey { ifindex: *ports.get(&*station.port)?, vlan: station.vlan.get(), reserved: 0 };
    Some((key(station), Some(Known { at, ip: station.ip })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stations::Heard;

    fn stations(vni: u32, numbers: std::ops::Range<u8>) -> Heard {
        let at = BindingKey { ifindex: 3, vlan: 100, reserved: 0 };
        numbers.map(|number| (FdbKey::new(vni, [2, 0, 0, 0, 0, number]), Known { at, ip: None })).collect()
    }

    fn both(a: Heard, b: Heard) -> Heard {
        a.into_iter().chain(b).collect()
    }

    impl Admitted {
        /// Takes over all stations, as changes since `before`.
        fn hears(&mut self, before: &Heard, now: &Heard, limit: impl Fn(u32) -> u64) -> Heard {
            let gone = before.keys().filter(|key| !now.contains_key(key)).map(|key| (*key, None));
            let there = now.iter().filter(|(key, known)| before.get(key) != Some(known));
            self.change(gone.chain(there.map(|(key, known)| (*key, Some(*known)))), limit);
            self.taken().clone()
        }
    }

    #[test]
    fn stations_of_another_node_are_taken_up_to_the_learn_limit_of_each_switch() {
        let heard = both(stations(1, 0..10), stations(2, 0..3));
        let limit = |vni| if vni == 1 { 4 } else { 3 };
        let taken = |limit: &dyn Fn(u32) -> u64| Admitted::default().hears(&Heard::new(), &heard, limit);
        assert_eq!(taken(&limit), both(stations(1, 0..4), stations(2, 0..3)));
        assert_eq!(taken(&|_| 100), heard);
        assert!(taken(&|_| 0).is_empty(), "a switch that is not here learns nothing");
    }

    #[test]
    fn those_that_were_there_stay_when_others_come() {
        let mut admitted = Admitted::default();
        let (first, second) = (stations(1, 5..8), stations(1, 0..10));
        admitted.hears(&Heard::new(), &first, |_| 4);
        assert_eq!(admitted.hears(&first, &second, |_| 4), both(stations(1, 0..1), first));
        assert_eq!(admitted.hears(&second, &second, |_| 2), both(stations(1, 0..1), stations(1, 5..6)), "lowered");
        let third = stations(1, 6..10);
        assert_eq!(admitted.hears(&second, &third, |_| 3), stations(1, 6..9), "there is room for those that waited");
    }

    #[test]
    fn a_change_is_one_operation_however_many_there_are() {
        for many in [10u32, 1000, 20_000] {
            let station = |number: u32| {
                let [_, _, a, b] = number.to_be_bytes();
                (
                    FdbKey::new(1, [2, 0, 0, 0, a, b]),
                    Known { at: BindingKey { ifindex: 3, vlan: 1, reserved: 0 }, ip: None },
                )
            };
            let mut admitted = Admitted::default();
            admitted.change((0..many).map(station).map(|(key, known)| (key, Some(known))), |_| 100_000);
            for number in many..many + 100 {
                let (key, known) = station(number);
                let expected: BTreeMap<_, _> = [(key, Some(known))].into();
                assert_eq!(admitted.change([(key, Some(known))], |_| 100_000), expected, "of {many}");
            }
        }
    }

    /// Selects as many stations of each logical switch as the limit allows: first those that were there before.
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
            // Stations from before keep their places; the rest is for new ones.
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

    proptest! {
        /// Applying changes gives the same result as applying the whole set, and the steps lead to it.
        #[test]
        fn changes_add_up_to_all(
            history in prop::collection::vec((prop::collection::btree_map((1..3u32, 0..12u8), 1..3u32, 0..24), 0..8u64), 1..20),
        ) {
            let (mut admitted, mut heard, mut taken, mut programmed) =
                (Admitted::default(), Heard::new(), Heard::new(), Heard::new());
            for (set, limit) in history {
                let known = |ifindex| Known { at: BindingKey { ifindex, vlan: 1, reserved: 0 }, ip: None };
                let now: Heard = set
                    .into_iter()
                    .map(|((vni, number), port)| (FdbKey::new(vni, [2, 0, 0, 0, 0, number]), known(port)))
                    .collect();
                let gone = heard.keys().filter(|key| !now.contains_key(key)).map(|key| (*key, None));
                let there = now.iter().filter(|(key, known)| heard.get(key) != Some(known));
                let changes: Vec<_> = gone.chain(there.map(|(key, known)| (*key, Some(*known)))).collect();
                for (key, known) in admitted.change(changes, |_| limit) {
                    programmed.remove(&key);
                    programmed.extend(known.map(|known| (key, known)));
                }
                taken = within_limits(now.clone(), Some(&taken), |_| limit);
                prop_assert_eq!(admitted.taken(), &taken);
                prop_assert_eq!(&programmed, &taken);
                heard = now;
            }
        }
    }
}
