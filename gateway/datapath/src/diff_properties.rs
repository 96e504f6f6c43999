//! Properties of every change, for any old and any new state.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    fdb::{LOCAL, Target},
    logical_switch::LEARN_REMOTE,
    tunnel::{Addr, Arrival},
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
};

use super::*;
use crate::{
    desired::SwitchPlan,
    fixtures::{bring, changes, ends, hop, key, local, mac, place, programmed, remote, view},
};

const REMOTES: u8 = 5;
const VNIS: std::ops::Range<u32> = 1..4;

fn tunnels() -> impl Strategy<Value = BTreeMap<RemoteVtepKey, TunnelPlan>> {
    let plan = (0..3u32, 0..2u32).prop_map(|(ifindex, lease)| TunnelPlan { hop: hop(ifindex), lease });
    btree_map((0..REMOTES).prop_map(ends), plan, 0..=REMOTES as usize)
}

fn switches() -> impl Strategy<Value = BTreeMap<u32, SwitchPlan>> {
    let plan = (any::<[bool; 3]>(), 1..3u64, 0..2u32).prop_map(|(flags, learn_limit, lease)| {
        let [learn_remote, strict_sources, control_protocols] = flags;
        SwitchPlan { learn_remote, learn_limit, lease, strict_sources, control_protocols }
    });
    btree_map(VNIS, plan, 0..4)
}

fn bindings() -> impl Strategy<Value = BTreeMap<BindingKey, (u32, u32)>> {
    btree_map((11..14u32, 0..2u16).prop_map(|(port, vlan)| key(port, vlan)), (VNIS, 0..2u32), 0..6)
}

/// Any place, perhaps an empty one.
fn somewhere(vni: u32) -> impl Strategy<Value = Place> {
    prop_oneof![
        (11..14u32, 0..2u16).prop_map(|(port, vlan)| local(port, vlan)),
        (0..REMOTES).prop_map(move |number| remote(number, vni)),
    ]
}

fn macs() -> impl Strategy<Value = BTreeMap<FdbKey, Place>> {
    let one = VNIS.prop_flat_map(|vni| (0..4u32, somewhere(vni)).prop_map(move |(number, at)| (mac(vni, number), at)));
    vec(one, 0..8).prop_map(|all| all.into_iter().collect())
}

fn desired() -> impl Strategy<Value = Desired> {
    let floods = btree_set((VNIS, 0..REMOTES), 0..12);
    let ports = btree_set(11..14u32, 0..3);
    let vteps = btree_map((0..2u8).prop_map(|n| Addr::v4([10, 0, 0, n])), 0..2u32, 0..2);
    let arrivals =
        btree_set((0..2u8, 0..2u16).prop_map(|(mac, vlan)| Arrival { mac: [2, 0, 0, 0, 0, mac], vlan }), 0..3);
    (tunnels(), switches(), bindings(), macs(), floods, ports, vteps, arrivals).prop_map(
        |(tunnels, switches, bindings, macs, floods, xdp_ports, vteps, arrivals)| {
            // Any of them will do for these too.
            let (xdp_sg_ports, down) = (xdp_ports.iter().copied().take(1).collect(), xdp_ports.clone());
            let mut desired =
                Desired { tunnels, macs, xdp_ports, xdp_sg_ports, down, vteps, arrivals, ..Desired::default() };
            desired.flood = switches.keys().map(|vni| (*vni, BTreeSet::new())).collect();
            for (vni, number) in floods {
                desired.flood.entry(vni).and_modify(|members| {
                    members.insert(remote(number, vni));
                });
            }
            for (key, (vni, lease)) in bindings {
                let Some(switch) = switches.get(&vni) else { continue };
                let plan =
                    BindingPlan { vni, lease, check_sender: switch.learn_remote, strict_sender: switch.strict_sources };
                desired.bindings.insert(key, plan);
                desired.flood.entry(vni).or_default().insert(Place::Local(key));
            }
            desired.macs.retain(|key, _| switches.contains_key(&key.vni));
            desired.switches = switches;
            desired
        },
    )
}

/// A programmed state after some changes. Unlike after the first change, it has gaps among numbers and slots.
fn lived_in() -> impl Strategy<Value = (Programmed, Desired)> {
    vec(desired(), 1..4).prop_map(|history| {
        let mut programmed = Programmed::default();
        history.iter().for_each(|desired| drop(bring(&mut programmed, desired)));
        (programmed, history.into_iter().next_back().unwrap_or_default())
    })
}

/// Returns all intermediate states, from before the first operation to after the last.
fn states(start: &Programmed, ops: &[Op]) -> Vec<Programmed> {
    let mut states = vec![start.clone()];
    for op in ops {
        let mut next = states[states.len() - 1].clone();
        next.note(op);
        states.push(next);
    }
    states
}

/// Returns the members of `vni` that get a copy.
fn members(programmed: &Programmed, vni: u32) -> BTreeSet<Target> {
    let slots = programmed.switches.get(&vni).map_or(0, |switch| switch.flood_slots);
    flood_of(programmed, vni).filter(|(key, _)| key.slot < slots).map(|(_, target)| *target).collect()
}

proptest! {
    #[test]
    fn after_a_change_nothing_is_left_to_do((mut programmed, _) in lived_in(), to in desired()) {
        bring(&mut programmed, &to);
        prop_assert_eq!(changes(&to, &programmed).ops, []);
    }

    #[test]
    fn history_leaves_no_trace_in_forwarding((mut lived, _) in lived_in(), to in desired()) {
        bring(&mut lived, &to);
        prop_assert_eq!(view(&lived), view(&programmed(&to)));
    }

    #[test]
    fn a_change_that_was_cut_off_is_made_good(
        (start, _) in lived_in(), cut in desired(), at in any::<prop::sample::Index>(), to in desired(),
    ) {
        let states = states(&start, &changes(&cut, &start).ops);
        let mut state = at.get(&states).clone();
        bring(&mut state, &to);
        prop_assert_eq!(view(&state), view(&programmed(&to)));
        prop_assert!(state.flood.keys().all(|key| to.switches.contains_key(&key.vni)), "flood members of no switch");
    }

    #[test]
    fn no_number_is_referred_to_before_it_means_something((start, _) in lived_in(), to in desired()) {
        let ops = changes(&to, &start).ops;
        for (at, state) in states(&start, &ops).iter().enumerate() {
            let reset: BTreeSet<u32> =
                ops[..at].iter().filter_map(|op| if let Op::ResetBindingStats(id) = op { Some(*id) } else { None }).collect();
            for to in state.flood.values().copied().chain(state.static_macs.iter().map(|(_, entry)| entry.to)) {
                // The number of a binding is that of its counters, which have to be zeroed first.
                let sound = place(state, &to).is_some() || (to.kind == LOCAL && reset.contains(&to.binding));
                prop_assert!(sound, "after {:?}: {to:?} leads nowhere", at.checked_sub(1).map(|at| &ops[at]));
            }
        }
    }

    #[test]
    fn no_peer_is_known_before_its_tunnel((start, _) in lived_in(), to in desired()) {
        for state in states(&start, &changes(&to, &start).ops) {
            prop_assert!(state.remote_vteps.values().all(|id| state.tunnels.contains_key(id)));
        }
    }

    #[test]
    fn no_binding_is_in_a_switch_that_is_not_there((start, _) in lived_in(), to in desired()) {
        for state in states(&start, &changes(&to, &start).ops) {
            prop_assert!(state.bindings.values().all(|binding| state.switches.contains_key(&binding.vni)));
        }
    }

    #[test]
    fn members_that_stay_get_every_broadcast((start, _) in lived_in(), to in desired()) {
        let states = states(&start, &changes(&to, &start).ops);
        for vni in VNIS {
            let after = members(&states[states.len() - 1], vni);
            let staying: BTreeSet<Target> = members(&start, vni).intersection(&after).copied().collect();
            for state in &states {
                prop_assert!(members(state, vni).is_superset(&staying));
            }
        }
    }

    #[test]
    fn macs_that_stay_are_never_unknown((start, from) in lived_in(), to in desired()) {
        let states = states(&start, &changes(&to, &start).ops);
        let after = &states[states.len() - 1].static_macs;
        let staying: Vec<&FdbKey> =
            from.macs.keys().filter(|key| start.static_macs.contains_key(key) && after.contains_key(key)).collect();
        for state in &states {
            prop_assert!(staying.iter().all(|key| state.static_macs.contains_key(key)));
        }
    }

    #[test]
    fn numbers_in_use_never_change((start, _) in lived_in(), to in desired()) {
        let mut end = start.clone();
        bring(&mut end, &to);
        for (ends, id) in start.remote_vteps.iter().filter(|(ends, _)| to.tunnels.contains_key(ends)) {
            prop_assert_eq!(end.remote_vteps.get(ends), Some(id));
        }
        for (key, binding) in start.bindings.iter().filter(|(key, _)| to.bindings.contains_key(key)) {
            prop_assert_eq!(end.bindings.get(key).map(|binding| binding.id), Some(binding.id));
        }
    }

    #[test]
    fn no_number_belongs_to_two((mut programmed, _) in lived_in(), to in desired()) {
        bring(&mut programmed, &to);
        let tunnels: BTreeSet<u32> = programmed.remote_vteps.values().copied().collect();
        prop_assert_eq!(tunnels.len(), programmed.remote_vteps.len());
        let bindings: BTreeSet<u32> = programmed.bindings.values().map(|binding| binding.id).collect();
        prop_assert_eq!(bindings.len(), programmed.bindings.len());
    }

    #[test]
    fn a_freed_number_is_not_given_out_in_the_same_change((start, _) in lived_in(), to in desired()) {
        let mut end = start.clone();
        bring(&mut end, &to);
        let freed = start.remote_vteps.iter().filter(|(ends, _)| !end.remote_vteps.contains_key(ends)).map(|(_, id)| id);
        let used: BTreeSet<u32> = end.remote_vteps.values().copied().collect();
        prop_assert!(freed.into_iter().all(|id| !used.contains(id)));
        let freed = start.bindings.iter().filter(|(key, _)| !end.bindings.contains_key(key)).map(|(_, old)| old.id);
        let used: BTreeSet<u32> = end.bindings.values().map(|binding| binding.id).collect();
        prop_assert!(freed.into_iter().all(|id| !used.contains(&id)));
    }

    #[test]
    fn next_hops_are_written_where_nobody_looks((start, _) in lived_in(), to in desired()) {
        for pair in states(&start, &changes(&to, &start).ops).windows(2) {
            for (id, old) in &pair[0].tunnels {
                let Some(new) = pair[1].tunnels.get(id) else { continue };
                let bank = old.bank as usize;
                prop_assert_eq!(new.next_hop[bank], old.next_hop[bank]);
            }
        }
    }

    #[test]
    fn whatever_learned_macs_carry_is_forgotten_once_it_is_wrong((start, _) in lived_in(), to in desired()) {
        let ops = changes(&to, &start).ops;
        let end = states(&start, &ops).pop().unwrap_or_default();
        let forgotten = match ops.last() {
            Some(Op::Forget(whose)) => whose.clone(),
            _ => BTreeSet::new(),
        };
        for (ends, id) in &start.remote_vteps {
            prop_assert!(end.remote_vteps.contains_key(ends) || forgotten.contains(&Forget::Tunnel(*id)));
        }
        for (key, old) in &start.bindings {
            let same = end.bindings.get(key).is_some_and(|new| (new.vni, new.flags) == (old.vni, old.flags));
            prop_assert!(same || forgotten.contains(&Forget::Binding(*key)));
        }
        for (vni, old) in &start.switches {
            let same = end.switches.get(vni).is_some_and(|new| old.flags & !new.flags & LEARN_REMOTE == 0);
            prop_assert!(same || forgotten.contains(&Forget::Switch(*vni)));
        }
    }
}
