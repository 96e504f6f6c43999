//! Standby FDB: selects the stations of the active node that a standby programs, so that after a takeover they are not
//! looked for by flooding. Pure.

use std::{collections::BTreeMap, sync::Arc};

use gateway_common::{binding::BindingKey, fdb::FdbKey};
use gateway_ha::peers::{Changes, Station, Stations};

use super::{
    admitted::Admitted,
    state_sync::Ports,
    stations::{Known, LearnedStations},
};

/// Stations of a lease as another node has published them, and those that this node has programmed.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Stations as last received.
    received: Stations,
    /// Interfaces that they were resolved with.
    ports: Arc<Ports>,
    admitted: Admitted,
}

impl Followed {
    /// Takes over the first stations of another node. `limit` gives the number of stations that this node would learn
    /// itself in a logical switch.
    pub(super) fn new(received: &Stations, ports: &Arc<Ports>, limit: impl Fn(u32) -> u64) -> Self {
        let mut followed = Self { received: received.clone(), ports: Arc::clone(ports), ..Self::default() };
        followed.admitted.change(received.iter().filter_map(|one| resolve(&one, ports)), limit);
        followed
    }

    /// Returns true if the stations were resolved with these interfaces.
    pub(super) fn is_resolved_with(&self, ports: &Arc<Ports>) -> bool {
        Arc::ptr_eq(&self.ports, ports)
    }

    /// Takes over the next stations. Looks only at the changes. Returns the stations to program and those to remove.
    pub(super) fn receive(
        &mut self,
        received: &Stations,
        limit: impl Fn(u32) -> u64,
    ) -> BTreeMap<FdbKey, Option<Known>> {
        let Changes { there, gone } = received.changes_since(&self.received);
        let gone = gone.iter().map(|one| (key(one), None));
        let there = there.iter().filter_map(|one| resolve(one, &self.ports));
        // A station that has moved is in both.
        let changes: BTreeMap<FdbKey, Option<Known>> = gone.chain(there).collect();
        let changes = self.admitted.change(changes, limit);
        self.received = received.clone();
        changes
    }

    /// Takes more or fewer of the received stations, because limits may have changed.
    pub(super) fn set_limits(&mut self, limit: impl Fn(u32) -> u64) {
        self.admitted.change([], limit);
    }

    /// Returns the stations that this node programs.
    pub(super) const fn taken(&self) -> &LearnedStations {
        self.admitted.taken()
    }

    /// Returns the number of stations that this node programs.
    pub(super) fn len(&self) -> usize {
        self.taken().len()
    }
}

fn key(station: &Station) -> FdbKey {
    FdbKey::new(station.vni.get(), station.mac.0)
}

/// Resolves a station of another node on this node, if the interface exists here.
fn resolve(station: &Station, ports: &Ports) -> Option<(FdbKey, Option<Known>)> {
    let at = BindingKey { ifindex: *ports.get(&*station.port)?, vlan: station.vlan.get(), reserved: 0 };
    Some((key(station), Some(Known { at, ip: station.ip })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stations(vni: u32, numbers: std::ops::Range<u8>) -> LearnedStations {
        let at = BindingKey { ifindex: 3, vlan: 100, reserved: 0 };
        numbers.map(|number| (FdbKey::new(vni, [2, 0, 0, 0, 0, number]), Known { at, ip: None })).collect()
    }

    fn both(a: LearnedStations, b: LearnedStations) -> LearnedStations {
        a.into_iter().chain(b).collect()
    }

    impl Admitted {
        /// Takes over all stations, as changes since `before`.
        fn receives(
            &mut self,
            before: &LearnedStations,
            now: &LearnedStations,
            limit: impl Fn(u32) -> u64,
        ) -> LearnedStations {
            let gone = before.keys().filter(|key| !now.contains_key(key)).map(|key| (*key, None));
            let there = now.iter().filter(|(key, known)| before.get(key) != Some(known));
            self.change(gone.chain(there.map(|(key, known)| (*key, Some(*known)))), limit);
            self.taken().clone()
        }
    }

    #[test]
    fn stations_of_another_node_are_taken_up_to_the_learn_limit_of_each_switch() {
        let received = both(stations(1, 0..10), stations(2, 0..3));
        let limit = |vni| if vni == 1 { 4 } else { 3 };
        let taken =
            |limit: &dyn Fn(u32) -> u64| Admitted::default().receives(&LearnedStations::new(), &received, limit);
        assert_eq!(taken(&limit), both(stations(1, 0..4), stations(2, 0..3)));
        assert_eq!(taken(&|_| 100), received);
        assert!(taken(&|_| 0).is_empty(), "a switch that is not here learns nothing");
    }

    #[test]
    fn those_that_were_there_stay_when_others_come() {
        let mut admitted = Admitted::default();
        let (first, second) = (stations(1, 5..8), stations(1, 0..10));
        admitted.receives(&LearnedStations::new(), &first, |_| 4);
        assert_eq!(admitted.receives(&first, &second, |_| 4), both(stations(1, 0..1), first));
        assert_eq!(admitted.receives(&second, &second, |_| 2), both(stations(1, 0..1), stations(1, 5..6)), "lowered");
        let third = stations(1, 6..10);
        assert_eq!(admitted.receives(&second, &third, |_| 3), stations(1, 6..9), "there is room for those that waited");
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
    fn within_limits(
        mut received: LearnedStations,
        before: Option<&LearnedStations>,
        limit: impl Fn(u32) -> u64,
    ) -> LearnedStations {
        let mut counts = BTreeMap::<u32, u64>::new();
        received.keys().for_each(|key| *counts.entry(key.vni).or_default() += 1);
        counts.retain(|vni, count| *count > limit(*vni));
        if counts.is_empty() {
            return received;
        }
        let was = |key: &FdbKey| before.is_some_and(|before| before.contains_key(key));
        let mut room: BTreeMap<u32, u64> = counts.keys().map(|vni| (*vni, limit(*vni))).collect();
        for key in received.keys().filter(|key| was(key)) {
            room.entry(key.vni).and_modify(|room| *room = room.saturating_sub(1));
        }
        let mut kept: BTreeMap<u32, u64> = counts.keys().map(|vni| (*vni, limit(*vni))).collect();
        received.retain(|key, _| {
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
        received
    }

    proptest! {
        /// Applying changes gives the same result as applying the whole set, and the steps lead to it.
        #[test]
        fn changes_add_up_to_all(
            history in prop::collection::vec((prop::collection::btree_map((1..3u32, 0..12u8), 1..3u32, 0..24), 0..8u64), 1..20),
        ) {
            let (mut admitted, mut received, mut taken, mut programmed) =
                (Admitted::default(), LearnedStations::new(), LearnedStations::new(), LearnedStations::new());
            for (set, limit) in history {
                let known = |ifindex| Known { at: BindingKey { ifindex, vlan: 1, reserved: 0 }, ip: None };
                let now: LearnedStations = set
                    .into_iter()
                    .map(|((vni, number), port)| (FdbKey::new(vni, [2, 0, 0, 0, 0, number]), known(port)))
                    .collect();
                let gone = received.keys().filter(|key| !now.contains_key(key)).map(|key| (*key, None));
                let there = now.iter().filter(|(key, known)| received.get(key) != Some(known));
                let changes: Vec<_> = gone.chain(there.map(|(key, known)| (*key, Some(*known)))).collect();
                for (key, known) in admitted.change(changes, |_| limit) {
                    programmed.remove(&key);
                    programmed.extend(known.map(|known| (key, known)));
                }
                taken = within_limits(now.clone(), Some(&taken), |_| limit);
                prop_assert_eq!(admitted.taken(), &taken);
                prop_assert_eq!(&programmed, &taken);
                received = now;
            }
        }
    }
}
