//! Announces the cloud's stations to the switches outside.
//!
//! After a takeover, the switches outside still have the stations of the cloud at the port of the previous node. One
//! frame from each station's MAC moves it at once, on each VLAN that its logical switch is bound to. There may be a
//! hundred thousand of them, so they are sent in small batches.

use std::collections::{BTreeMap, VecDeque};

use gateway_common::{
    binding::BindingKey,
    fdb::{self, FdbKey},
    net::MacAddr,
};
use gateway_datapath::{Desired, StaticMacs, desired::Place};

/// One frame to send: a station and a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) station: MacAddr,
    pub(super) to: BindingKey,
}

/// Stations that are still to be announced.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    waiting: VecDeque<FdbKey>,
    /// Calls of one station for which a batch had no room.
    rest: VecDeque<Call>,
}

impl Announcer {
    /// Starts the announcement of all stations of lease `lease`: the static ones behind tunnels, then the `learned` ones.
    /// Restarts an announcement that is not complete.
    pub(super) fn start(
        &mut self,
        desired: &Desired,
        static_macs: &StaticMacs,
        lease: u32,
        learned: impl IntoIterator<Item = FdbKey>,
    ) {
        let of_lease = |vni: u32| desired.switches.get(&vni).is_some_and(|switch| switch.lease == lease);
        self.waiting.retain(|key| !of_lease(key.vni));
        let remote = static_macs.iter().filter(|(key, entry)| entry.to.kind == fdb::REMOTE && of_lease(key.vni));
        let mut remote: Vec<FdbKey> = remote.map(|(key, _)| key).collect();
        remote.sort_unstable();
        self.waiting.extend(remote);
        self.waiting.extend(learned.into_iter().filter(|key| of_lease(key.vni) && !static_macs.contains_key(key)));
    }

    /// Stops the announcement of the stations of lease `lease`: another node has them.
    pub(super) fn stop(&mut self, desired: &Desired, lease: u32) {
        self.waiting.retain(|key| desired.switches.get(&key.vni).is_some_and(|switch| switch.lease != lease));
        self.rest.clear();
    }

    /// Returns true if no station is left to announce.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.rest.is_empty()
    }

    /// Takes the next calls, at most `most`. Leaves out a station that has moved behind an access port since then.
    pub(super) fn next(&mut self, desired: &Desired, static_macs: &StaticMacs, most: usize) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut places: BTreeMap<u32, Vec<BindingKey>> = BTreeMap::new();
        while calls.len() < most {
            if let Some(call) = self.rest.pop_front() {
                calls.push(call);
                continue;
            }
            let Some(key) = self.waiting.pop_front() else { break };
            if static_macs.get(&key).is_some_and(|entry| entry.to.kind == fdb::LOCAL) {
                continue;
            }
            let bound = places.entry(key.vni).or_insert_with(|| bound(desired, key.vni));
            self.rest.extend(bound.iter().map(|to| Call { station: MacAddr(key.mac), to: *to }));
        }
        calls
    }
}

/// Returns the bindings of a logical switch. Its flood members list them, so there is no walk through all bindings.
fn bound(desired: &Desired, vni: u32) -> Vec<BindingKey> {
    let members = desired.flood.get(&vni).into_iter().flatten();
    members
        .filter_map(|member| match member {
            Place::Local(key) => Some(*key),
            Place::Remote { .. } => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use gateway_common::{
        fdb::{FdbEntry, STATIC, Target},
        tunnel::{Addr, RemoteVtepKey},
    };
    use gateway_datapath::desired::SwitchPlan;

    use super::*;

    const LEASE: u32 = 51;

    fn key(vni: u32, last: u8) -> FdbKey {
        FdbKey::new(vni, [2, 0xaa, 0, 0, 0, last])
    }

    fn binding(vlan: u16) -> BindingKey {
        BindingKey { ifindex: 3, vlan, reserved: 0 }
    }

    fn remote(vni: u32) -> Place {
        let ends = RemoteVtepKey { local: Addr::v4([10, 0, 0, 1]), remote: Addr::v4([10, 0, 0, 2]) };
        Place::Remote { ends, vni }
    }

    /// VNI 1 on two VLANs under the lease, VNI 2 on one under another.
    fn desired() -> Desired {
        let switch = |lease| SwitchPlan { learn_limit: 10, lease, ..SwitchPlan::default() };
        let local = |vlan| Place::Local(binding(vlan));
        Desired {
            switches: [(1, switch(LEASE)), (2, switch(LEASE + 1))].into(),
            flood: [(1, [local(100), local(200), remote(1)].into()), (2, [local(300)].into())].into(),
            ..Desired::default()
        }
    }

    fn entry(to: Target) -> FdbEntry {
        FdbEntry { to, seen: 0, origin: STATIC, flags: 0 }
    }

    fn static_macs() -> StaticMacs {
        let (remote, local) = (entry(Target::remote(0, 1)), entry(Target::local(3, 100, 0)));
        [(key(1, 2), remote), (key(1, 1), remote), (key(1, 3), local), (key(2, 1), remote)].into_iter().collect()
    }

    fn all(announcer: &mut Announcer, desired: &Desired, static_macs: &StaticMacs) -> Vec<(u8, u16)> {
        let mut calls = Vec::new();
        while !announcer.is_done() {
            let batch = announcer.next(desired, static_macs, 3);
            assert!(batch.len() <= 3);
            calls.extend(batch.iter().map(|call| (call.station.0[5], call.to.vlan)));
        }
        calls
    }

    #[test]
    fn each_remote_station_is_announced_on_each_vlan_it_is_bound_to_the_static_ones_first() {
        let (desired, static_macs, mut announcer) = (desired(), static_macs(), Announcer::default());
        announcer.start(&desired, &static_macs, LEASE, [key(1, 9), key(1, 1)]);
        assert_eq!(
            all(&mut announcer, &desired, &static_macs),
            [(1, 100), (1, 200), (2, 100), (2, 200), (9, 100), (9, 200)]
        );
    }

    #[test]
    fn the_stations_of_a_lost_lease_are_announced_no_further_and_those_of_another_are() {
        let (desired, static_macs, mut announcer) = (desired(), static_macs(), Announcer::default());
        announcer.start(&desired, &static_macs, LEASE, []);
        announcer.start(&desired, &static_macs, LEASE + 1, []);
        announcer.stop(&desired, LEASE);
        assert_eq!(all(&mut announcer, &desired, &static_macs), [(1, 300)]);
    }

    #[test]
    fn a_station_that_is_behind_a_port_by_now_is_not_called() {
        let (desired, mut static_macs, mut announcer) = (desired(), static_macs(), Announcer::default());
        announcer.start(&desired, &static_macs, LEASE, []);
        static_macs.insert(key(1, 1), entry(Target::local(3, 100, 0)));
        assert_eq!(all(&mut announcer, &desired, &static_macs), [(2, 100), (2, 200)]);
    }

    #[test]
    fn a_restarted_announcement_begins_again_at_the_first_station() {
        let (desired, static_macs, mut announcer) = (desired(), static_macs(), Announcer::default());
        announcer.start(&desired, &static_macs, LEASE, []);
        announcer.next(&desired, &static_macs, 2);
        announcer.start(&desired, &static_macs, LEASE, []);
        assert_eq!(all(&mut announcer, &desired, &static_macs).len(), 4);
    }
}
