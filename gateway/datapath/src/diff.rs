//! Computes the map operations that turn the programmed state into the desired state.
//!
//! Additions and changes come first, each before the elements that refer to it. Removals follow, each after the
//! elements that refer to it. So the data plane is consistent at every moment in between: make before break. Equal
//! things cost nothing, so a change of k rows is O(k) operations.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    binding::{Binding, BindingKey},
    fdb::{self, CHECK_SENDER, FdbEntry, FdbKey, STRICT_SENDER, Target, with_lease},
    limits::{MAX_BINDINGS, MAX_FLOOD_SLOTS, MAX_TUNNELS},
    logical_switch::{CONTROL_PROTOCOLS, FloodKey, LEARN_REMOTE, STRICT_SOURCES, SwitchEntry},
    tunnel::{NextHop, RemoteVtepKey, Tunnel, Vtep},
};

use super::{
    desired::{BindingPlan, Desired, Place, SwitchPlan, TunnelPlan},
    op::{Forget, Op},
    programmed::Programmed,
};

/// A limit of the maps that the desired state exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// No number is left for a tunnel.
    #[error("the tunnel to {0} is not programmed: {MAX_TUNNELS} tunnels is the limit")]
    Tunnels(std::net::IpAddr),
    /// No number is left for a binding.
    #[error("VLAN {vlan} of interface {ifindex} is not bound: {MAX_BINDINGS} bindings is the limit", vlan = .0.vlan, ifindex = .0.ifindex)]
    Bindings(BindingKey),
    /// A flood list is too long.
    #[error("VNI {0} floods to {MAX_FLOOD_SLOTS} members, the limit; the others get no broadcast")]
    Flood(u32),
}

/// Operations, and the parts that had to be left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The operations, in their order.
    pub ops: Vec<Op>,
    /// The limits that were exceeded.
    pub limits: Vec<Limit>,
}

/// Computes the changes. `ceilings` has the learning ceiling of each VNI (see [`SwitchEntry::learn_ceiling`]); a VNI
/// without one gets its limit.
pub fn diff(desired: &Desired, programmed: &Programmed, ceilings: &BTreeMap<u32, u64>) -> Changes {
    let mut work = Work { desired, programmed, changes: Changes::default(), removals: Vec::new() };
    work.changes.ops = diff_members(&desired.members, &programmed.members);
    let tunnels = work.tunnels();
    let bindings = work.bindings();
    work.ports_and_vteps();
    work.switches(&tunnels, &bindings, ceilings);
    work.write_bindings(&bindings);
    work.macs(&tunnels, &bindings);
    work.finish(&tunnels)
}

/// Returns the operations that set the learning ceilings of the logical switches to `ceilings`, if nothing else has
/// changed.
pub fn diff_ceilings(desired: &Desired, programmed: &Programmed, ceilings: &BTreeMap<u32, u64>) -> Vec<Op> {
    let mut ops = Vec::new();
    for (vni, switch) in &programmed.switches {
        let Some(plan) = desired.switches.get(vni) else { continue };
        let learn_ceiling = ceilings.get(vni).copied().unwrap_or(plan.learn_limit);
        if switch.learn_ceiling != learn_ceiling {
            ops.push(Op::PutSwitch(*vni, SwitchEntry { learn_ceiling, ..*switch }));
        }
    }
    ops
}

/// Returns the operations for the active members of bonds. Removals come first: a member that is no longer active must
/// not forward together with the one that takes its place. In between the bond passes frames to TC.
pub fn diff_members(desired: &BTreeMap<u32, u32>, programmed: &BTreeMap<u32, u32>) -> Vec<Op> {
    let gone = programmed.keys().filter(|member| !desired.contains_key(member)).map(|member| Op::DelMember(*member));
    let there = desired.iter().filter(|(member, bond)| programmed.get(member) != Some(bond));
    gone.chain(there.map(|(member, bond)| Op::PutMember(*member, *bond))).collect()
}

/// Returns the operations for `changes` of the places of static MACs only. Returns `None` if a place needs more than is
/// programmed, and a whole [`diff`] is needed.
pub fn diff_macs(changes: &[(FdbKey, Option<Place>)], programmed: &Programmed) -> Option<Vec<Op>> {
    let mut ops = Vec::with_capacity(changes.len());
    for (key, place) in changes {
        let wanted = match place {
            None => None,
            Some(Place::Local(_)) => return None,
            Some(Place::Remote { ends, vni }) => {
                let to = Target::remote(*programmed.remote_vteps.get(ends)?, *vni);
                Some(FdbEntry { to, seen: 0, origin: fdb::STATIC, flags: 0 })
            }
        };
        match (wanted, programmed.static_macs.get(key)) {
            (Some(entry), old) if old != Some(entry) => ops.push(Op::PutMac(*key, entry)),
            (None, Some(_)) => ops.push(Op::DelMac(*key)),
            _ => {}
        }
    }
    Some(ops)
}

struct Work<'a> {
    desired: &'a Desired,
    programmed: &'a Programmed,
    changes: Changes,
    removals: Vec<Op>,
}

type Numbers<K> = BTreeMap<K, u32>;

impl Work<'_> {
    fn put(&mut self, op: Op) {
        self.changes.ops.push(op);
    }

    fn ports_and_vteps(&mut self) {
        let (desired, programmed) = (self.desired, self.programmed);
        if programmed.settings != desired.settings {
            self.put(Op::PutSettings(desired.settings));
        }
        for ifindex in desired.xdp_ports.difference(&programmed.xdp_ports) {
            self.put(Op::PutXdpPort(*ifindex));
        }
        for ifindex in desired.xdp_sg_ports.difference(&programmed.xdp_sg_ports) {
            self.put(Op::PutXdpSgPort(*ifindex));
        }
        for ifindex in desired.down.difference(&programmed.down) {
            self.put(Op::PutDown(*ifindex));
        }
        for (addr, lease) in &desired.vteps {
            let vtep = Vtep { lease: *lease };
            if programmed.vteps.get(addr) != Some(&vtep) {
                self.put(Op::PutVtep(*addr, vtep));
            }
        }
        for arrival in desired.arrivals.difference(&programmed.arrivals) {
            self.put(Op::PutArrival(*arrival));
        }
    }

    /// Numbers the tunnels, and writes those that are new or changed. Old ones keep their numbers, so that learned MACs
    /// stay valid.
    fn tunnels(&mut self) -> Numbers<RemoteVtepKey> {
        let (desired, programmed) = (self.desired, self.programmed);
        let mut numbers: Numbers<RemoteVtepKey> = programmed.remote_vteps.clone();
        numbers.retain(|ends, _| desired.tunnels.contains_key(ends));
        // A number that this change frees is not reused in the same change: its entry is still referred to. Nor is a
        // number that learned MACs may still refer to: they would lead to the wrong remote VTEP.
        let outdated = programmed.outdated.iter().filter_map(|whose| match whose {
            Forget::Tunnel(id) => Some(*id),
            _ => None,
        });
        let mut free = free_numbers(programmed.remote_vteps.values().copied().chain(outdated).collect(), MAX_TUNNELS);
        for (ends, plan) in &desired.tunnels {
            if let Some(id) = numbers.get(ends) {
                if let Some(tunnel) = changed_tunnel(programmed.tunnels.get(id), plan) {
                    self.put(Op::PutTunnel(*id, Box::new(tunnel)));
                }
            } else if let Some(id) = free.next() {
                numbers.insert(*ends, id);
                self.put(Op::ResetTunnelStats(id));
                self.put(Op::PutTunnel(id, Box::new(new_tunnel(plan))));
                self.put(Op::PutRemoteVtep(*ends, id));
            } else {
                self.changes.limits.push(Limit::Tunnels(ends.remote.into()));
            }
        }
        numbers
    }

    /// Numbers the bindings.
    fn bindings(&mut self) -> Numbers<BindingKey> {
        let (desired, programmed) = (self.desired, self.programmed);
        let mut numbers: Numbers<BindingKey> =
            programmed.bindings.iter().map(|(key, binding)| (*key, binding.id)).collect();
        let mut free = free_numbers(numbers.values().copied().collect(), MAX_BINDINGS);
        numbers.retain(|key, _| desired.bindings.contains_key(key));
        for key in desired.bindings.keys() {
            if numbers.contains_key(key) {
                continue;
            }
            if let Some(id) = free.next() {
                numbers.insert(*key, id);
                self.put(Op::ResetBindingStats(id));
            } else {
                self.changes.limits.push(Limit::Bindings(*key));
            }
        }
        numbers
    }

    fn write_bindings(&mut self, numbers: &Numbers<BindingKey>) {
        let (desired, programmed) = (self.desired, self.programmed);
        for (key, plan) in &desired.bindings {
            let Some(id) = numbers.get(key) else { continue };
            let binding = binding(plan, *id);
            if programmed.bindings.get(key) != Some(&binding) {
                self.put(Op::PutBinding(*key, binding));
            }
        }
        for key in programmed.bindings.keys().filter(|key| !desired.bindings.contains_key(key)) {
            self.removals.push(Op::DelBinding(*key));
        }
    }

    fn switches(
        &mut self,
        tunnels: &Numbers<RemoteVtepKey>,
        bindings: &Numbers<BindingKey>,
        ceilings: &BTreeMap<u32, u64>,
    ) {
        let (desired, programmed) = (self.desired, self.programmed);
        let nobody = BTreeSet::new();
        for (vni, plan) in &desired.switches {
            let members = desired.flood.get(vni).unwrap_or(&nobody);
            let wanted = members.iter().filter_map(|place| target(place, tunnels, bindings)).collect();
            let flood_slots = self.flood(*vni, wanted);
            let switch = SwitchEntry {
                flood_slots,
                flags: switch_flags(plan),
                lease: plan.lease,
                reserved: 0,
                learn_ceiling: ceilings.get(vni).copied().unwrap_or(plan.learn_limit),
            };
            if programmed.switches.get(vni) != Some(&switch) {
                self.put(Op::PutSwitch(*vni, switch));
            }
        }
        // By the flood list, not by the switch: an agent that died in between may have left one without the other.
        for key in programmed.flood.keys().filter(|key| !desired.switches.contains_key(&key.vni)) {
            self.removals.push(Op::DelFlood(*key));
        }
    }

    /// Fills the flood slots of `vni`. Members that stay keep their slots, new ones take free slots. Returns the number
    /// of slots up to the highest one in use.
    fn flood(&mut self, vni: u32, mut wanted: BTreeSet<Target>) -> u32 {
        let mut kept = BTreeSet::new();
        let mut dropped = BTreeSet::new();
        for (key, target) in flood_of(self.programmed, vni) {
            if wanted.remove(target) {
                kept.insert(key.slot)
            } else {
                dropped.insert(key.slot)
            };
        }
        // A slot that is overwritten needs no removal, so those are used first.
        let fresh = (0..MAX_FLOOD_SLOTS).filter(|slot| !kept.contains(slot) && !dropped.contains(slot));
        let slots: Vec<u32> = dropped.iter().copied().chain(fresh).take(wanted.len()).collect();
        if slots.len() < wanted.len() {
            self.changes.limits.push(Limit::Flood(vni));
        }
        for (slot, target) in slots.into_iter().zip(&wanted) {
            self.put(Op::PutFlood(FloodKey { vni, slot }, *target));
            kept.insert(slot);
        }
        for slot in dropped.difference(&kept) {
            self.removals.push(Op::DelFlood(FloodKey { vni, slot: *slot }));
        }
        kept.last().map_or(0, |slot| slot + 1)
    }

    fn macs(&mut self, tunnels: &Numbers<RemoteVtepKey>, bindings: &Numbers<BindingKey>) {
        let (desired, programmed) = (self.desired, self.programmed);
        for (key, place) in &desired.macs {
            let Some(to) = target(place, tunnels, bindings) else { continue };
            let flags = match place {
                Place::Local(binding) => desired.bindings.get(binding).map_or(0, binding_flags),
                Place::Remote { .. } => 0,
            };
            let entry = FdbEntry { to, seen: 0, origin: fdb::STATIC, flags };
            if programmed.static_macs.get(key) != Some(entry) {
                self.put(Op::PutMac(*key, entry));
            }
        }
        let placed = |key| desired.macs.get(key).is_some_and(|place| target(place, tunnels, bindings).is_some());
        let mut gone: Vec<FdbKey> = programmed.static_macs.keys().filter(|key| !placed(key)).copied().collect();
        gone.sort_unstable();
        self.changes.ops.extend(gone.into_iter().map(Op::DelMac));
    }

    fn finish(mut self, tunnels: &Numbers<RemoteVtepKey>) -> Changes {
        let (desired, programmed) = (self.desired, self.programmed);
        for vni in programmed.switches.keys().filter(|vni| !desired.switches.contains_key(vni)) {
            self.removals.push(Op::DelSwitch(*vni));
        }
        for (ends, id) in programmed.remote_vteps.iter().filter(|(ends, _)| !tunnels.contains_key(ends)) {
            self.removals.push(Op::DelRemoteVtep(*ends, *id));
        }
        for addr in programmed.vteps.keys().filter(|addr| !desired.vteps.contains_key(addr)) {
            self.removals.push(Op::DelVtep(*addr));
        }
        for arrival in programmed.arrivals.difference(&desired.arrivals) {
            self.removals.push(Op::DelArrival(*arrival));
        }
        for ifindex in programmed.down.difference(&desired.down) {
            self.removals.push(Op::DelDown(*ifindex));
        }
        for ifindex in programmed.xdp_sg_ports.difference(&desired.xdp_sg_ports) {
            self.removals.push(Op::DelXdpSgPort(*ifindex));
        }
        for ifindex in programmed.xdp_ports.difference(&desired.xdp_ports) {
            self.removals.push(Op::DelXdpPort(*ifindex));
        }
        self.changes.ops.append(&mut self.removals);
        let outdated = self.changes.ops.iter().filter_map(|op| programmed.outdated_by(op));
        let forget: BTreeSet<Forget> = programmed.outdated.iter().copied().chain(outdated).collect();
        if !forget.is_empty() {
            self.changes.ops.push(Op::Forget(forget));
        }
        self.changes
    }
}

fn free_numbers(used: BTreeSet<u32>, limit: u32) -> impl Iterator<Item = u32> {
    (0..limit).filter(move |id| !used.contains(id))
}

fn flood_of(programmed: &Programmed, vni: u32) -> impl Iterator<Item = (&FloodKey, &Target)> {
    programmed.flood.range(FloodKey { vni, slot: 0 }..=FloodKey { vni, slot: u32::MAX })
}

fn binding(plan: &BindingPlan, id: u32) -> Binding {
    Binding { vni: plan.vni, id, lease: plan.lease, flags: binding_flags(plan) }
}

/// Returns the checks of a sender that sends to a station behind a binding.
fn binding_flags(plan: &BindingPlan) -> u32 {
    let flags = [(plan.check_sender, CHECK_SENDER), (plan.strict_sender, STRICT_SENDER)];
    with_lease(bits(&flags), plan.lease)
}

fn switch_flags(plan: &SwitchPlan) -> u32 {
    bits(&[
        (plan.learn_remote, LEARN_REMOTE),
        (plan.strict_sources, STRICT_SOURCES),
        (plan.control_protocols, CONTROL_PROTOCOLS),
    ])
}

fn bits(all: &[(bool, u32)]) -> u32 {
    all.iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit)
}

fn target(place: &Place, tunnels: &Numbers<RemoteVtepKey>, bindings: &Numbers<BindingKey>) -> Option<Target> {
    match place {
        Place::Local(key) => bindings.get(key).map(|id| Target::local(key.ifindex, key.vlan, *id)),
        Place::Remote { ends, vni } => tunnels.get(ends).map(|id| Target::remote(*id, *vni)),
    }
}

fn new_tunnel(plan: &TunnelPlan) -> Tunnel {
    Tunnel { bank: 0, lease: plan.lease, next_hop: [plan.hop, NextHop::UNRESOLVED] }
}

/// Returns the tunnel with its idle bank filled and active, or `None` if it is already as planned.
fn changed_tunnel(old: Option<&Tunnel>, plan: &TunnelPlan) -> Option<Tunnel> {
    let Some(old) = old else { return Some(new_tunnel(plan)) };
    let bank = (old.bank & 1) as usize;
    if old.next_hop[bank] == plan.hop {
        return (old.lease != plan.lease).then_some(Tunnel { lease: plan.lease, ..*old });
    }
    let mut next_hop = old.next_hop;
    next_hop[1 - bank] = plan.hop;
    Some(Tunnel { bank: 1 - bank as u32, lease: plan.lease, next_hop })
}

#[cfg(test)]
#[path = "diff_properties.rs"]
mod properties;

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
