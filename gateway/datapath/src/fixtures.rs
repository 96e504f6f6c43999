//! Fixtures for the tests of this folder: small forwarding states by name, and a view of the programmed state that is
//! free of numbers and slots.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    binding::BindingKey,
    fdb::{FdbKey, LOCAL, Target},
    tunnel::{Addr, NextHop, RemoteVtepKey},
};

use super::{
    desired::{BindingPlan, Desired, Place, SwitchPlan, TunnelPlan},
    diff::{Changes, diff},
    op::Op,
    programmed::Programmed,
};

pub(super) const LEARN_LIMIT: u64 = 100;

/// The tunnel between this gateway and remote VTEP number `remote`.
pub(super) fn ends(remote: u8) -> RemoteVtepKey {
    RemoteVtepKey { local: Addr::v4([10, 0, 0, 1]), remote: Addr::v4([10, 0, 1, remote]) }
}

/// A next hop by uplink `ifindex`; 0 is an unresolved one.
pub(super) fn hop(ifindex: u32) -> NextHop {
    if ifindex == 0 { NextHop::UNRESOLVED } else { NextHop { ifindex, header_len: 50, ..NextHop::UNRESOLVED } }
}

pub(super) fn key(ifindex: u32, vlan: u16) -> BindingKey {
    BindingKey { ifindex, vlan, reserved: 0 }
}

pub(super) fn local(ifindex: u32, vlan: u16) -> Place {
    Place::Local(key(ifindex, vlan))
}

pub(super) fn remote(number: u8, vni: u32) -> Place {
    Place::Remote { ends: ends(number), vni }
}

/// MAC number `number` of a logical switch.
pub(super) fn mac(vni: u32, number: u32) -> FdbKey {
    let [a, b, c, d] = number.to_be_bytes();
    FdbKey::new(vni, [2, 0, a, b, c, d])
}

/// Builder of desired forwarding.
pub(super) trait Build: Sized {
    /// Adds an empty logical switch.
    fn switch(self, vni: u32) -> Self;
    /// Adds a binding to a switch and to its flood list.
    fn bind(self, vni: u32, ifindex: u32, vlan: u16) -> Self;
    /// Adds a tunnel that leaves by uplink `ifindex`.
    fn tunnel(self, number: u8, ifindex: u32) -> Self;
    /// Adds a remote to a switch's flood list.
    fn flood(self, vni: u32, number: u8) -> Self;
    /// Places a MAC.
    fn mac(self, vni: u32, number: u32, place: Place) -> Self;
}

impl Build for Desired {
    fn switch(mut self, vni: u32) -> Self {
        self.switches.insert(vni, SwitchPlan { learn_limit: LEARN_LIMIT, ..SwitchPlan::default() });
        self.flood.entry(vni).or_default();
        self
    }

    fn bind(mut self, vni: u32, ifindex: u32, vlan: u16) -> Self {
        self.bindings.insert(key(ifindex, vlan), BindingPlan { vni, ..BindingPlan::default() });
        self.flood.entry(vni).or_default().insert(local(ifindex, vlan));
        self
    }

    fn tunnel(mut self, number: u8, ifindex: u32) -> Self {
        self.tunnels.insert(ends(number), TunnelPlan { hop: hop(ifindex), lease: 0 });
        self
    }

    fn flood(mut self, vni: u32, number: u8) -> Self {
        self.flood.entry(vni).or_default().insert(remote(number, vni));
        self
    }

    fn mac(mut self, vni: u32, number: u32, place: Place) -> Self {
        self.macs.insert(mac(vni, number), place);
        self
    }
}

/// A switch, VNI 5001, with a binding (port 11, VLAN 100), a remote VTEP (1), and a MAC on each: 1 and 2.
pub(super) fn one_switch() -> Desired {
    let desired = Desired::default().switch(5001).bind(5001, 11, 100).tunnel(1, 2).flood(5001, 1);
    desired.mac(5001, 1, local(11, 100)).mac(5001, 2, remote(1, 5001))
}

pub(super) fn changes(desired: &Desired, programmed: &Programmed) -> Changes {
    diff(desired, programmed, &BTreeMap::new())
}

/// Applies to the mirror the operations for `desired`, and returns them.
pub(super) fn bring(programmed: &mut Programmed, desired: &Desired) -> Vec<Op> {
    let ops = changes(desired, programmed).ops;
    ops.iter().for_each(|op| programmed.note(op));
    ops
}

/// Returns the programmed state for `desired`, from nothing.
pub(super) fn programmed(desired: &Desired) -> Programmed {
    let mut programmed = Programmed::default();
    bring(&mut programmed, desired);
    programmed
}

/// Behaviour of the data plane, in terms of places and ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    vteps: BTreeMap<Addr, u32>,
    tunnels: BTreeMap<RemoteVtepKey, (Vec<u8>, u32)>,
    switches: BTreeMap<u32, (u32, u32, u64)>,
    bindings: BTreeMap<BindingKey, (u32, u32, u32)>,
    macs: BTreeMap<FdbKey, (Option<Place>, u32, u32)>,
    /// Sorted, so that a member with two slots, which would get two copies, shows.
    pub(super) flood: BTreeMap<u32, Vec<Option<Place>>>,
    xdp_ports: BTreeSet<u32>,
    xdp_sg_ports: BTreeSet<u32>,
    down: BTreeSet<u32>,
}

/// Returns the place of a target, or `None` if its numbers are not in use.
pub(super) fn place(programmed: &Programmed, to: &Target) -> Option<Place> {
    if to.kind == LOCAL {
        let (key, _) = programmed.bindings.iter().find(|(_, binding)| binding.id == to.binding)?;
        return (key.ifindex == to.out && key.vlan == to.vlan).then_some(Place::Local(*key));
    }
    let (ends, _) = programmed.remote_vteps.iter().find(|(_, id)| **id == to.out)?;
    programmed.tunnels.contains_key(&to.out).then_some(Place::Remote { ends: *ends, vni: to.vni })
}

pub(super) fn view(programmed: &Programmed) -> View {
    let mut flood: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for (vni, switch) in &programmed.switches {
        let members = programmed.flood.iter().filter(|(key, _)| key.vni == *vni && key.slot < switch.flood_slots);
        let mut places: Vec<_> = members.map(|(_, target)| place(programmed, target)).collect();
        places.sort();
        flood.insert(*vni, places);
    }
    let tunnel = |id: &u32| {
        let tunnel = programmed.tunnels[id];
        (bytemuck::bytes_of(&tunnel.next_hop[tunnel.bank as usize]).to_vec(), tunnel.lease)
    };
    View {
        vteps: programmed.vteps.iter().map(|(addr, vtep)| (*addr, vtep.lease)).collect(),
        tunnels: programmed.remote_vteps.iter().map(|(ends, id)| (*ends, tunnel(id))).collect(),
        switches: programmed
            .switches
            .iter()
            .map(|(vni, switch)| (*vni, (switch.flags, switch.lease, switch.learn_ceiling)))
            .collect(),
        bindings: programmed
            .bindings
            .iter()
            .map(|(key, binding)| (*key, (binding.vni, binding.lease, binding.flags)))
            .collect(),
        macs: programmed
            .static_macs
            .iter()
            .map(|(key, entry)| (key, (place(programmed, &entry.to), entry.origin, entry.flags)))
            .collect(),
        flood,
        xdp_ports: programmed.xdp_ports.clone(),
        xdp_sg_ports: programmed.xdp_sg_ports.clone(),
        down: programmed.down.clone(),
    }
}
