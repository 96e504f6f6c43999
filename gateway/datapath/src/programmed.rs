//! Mirror of the map elements that the agent has written.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::{
    binding::{Binding, BindingKey, Settings},
    fdb::Target,
    logical_switch::{FloodKey, LEARN_REMOTE, SwitchEntry},
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

use super::{
    op::{Forget, Op},
    static_macs::StaticMacs,
};

/// The agent's part of the maps; it does not contain learned MACs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programmed {
    /// Map `vteps`.
    pub vteps: BTreeMap<Addr, Vtep>,
    /// Map `arrivals`.
    pub arrivals: BTreeSet<Arrival>,
    /// Map `remote_vteps`.
    pub remote_vteps: BTreeMap<RemoteVtepKey, u32>,
    /// Map `tunnels`, as far as `remote_vteps` points into it.
    pub tunnels: BTreeMap<u32, Tunnel>,
    /// Map `switches`.
    pub switches: BTreeMap<u32, SwitchEntry>,
    /// Map `bindings`.
    pub bindings: BTreeMap<BindingKey, Binding>,
    /// Map `fdb`, the static entries.
    pub static_macs: StaticMacs,
    /// Map `flood`.
    pub flood: BTreeMap<FloodKey, Target>,
    /// Map `devmap`.
    pub xdp_ports: BTreeSet<u32>,
    /// Map `devmap_sg`.
    pub xdp_sg_ports: BTreeSet<u32>,
    /// Map `down`.
    pub down: BTreeSet<u32>,
    /// Map `members`.
    pub members: BTreeMap<u32, u32>,
    /// Map `settings`.
    pub settings: Settings,
    /// Scopes of learned MACs that are wrong and not forgotten yet.
    pub outdated: BTreeSet<Forget>,
}

impl Programmed {
    /// Records that `op` has been carried out.
    pub fn note(&mut self, op: &Op) {
        self.outdated.extend(self.outdated_by(op));
        match *op {
            Op::PutSettings(settings) => self.settings = settings,
            Op::PutXdpPort(ifindex) => drop(self.xdp_ports.insert(ifindex)),
            Op::DelXdpPort(ifindex) => drop(self.xdp_ports.remove(&ifindex)),
            Op::PutXdpSgPort(ifindex) => drop(self.xdp_sg_ports.insert(ifindex)),
            Op::DelXdpSgPort(ifindex) => drop(self.xdp_sg_ports.remove(&ifindex)),
            Op::PutDown(ifindex) => drop(self.down.insert(ifindex)),
            Op::DelDown(ifindex) => drop(self.down.remove(&ifindex)),
            Op::PutMember(member, bond) => drop(self.members.insert(member, bond)),
            Op::DelMember(member) => drop(self.members.remove(&member)),
            Op::PutVtep(addr, vtep) => drop(self.vteps.insert(addr, vtep)),
            Op::DelVtep(addr) => drop(self.vteps.remove(&addr)),
            Op::PutArrival(arrival) => drop(self.arrivals.insert(arrival)),
            Op::DelArrival(arrival) => drop(self.arrivals.remove(&arrival)),
            Op::PutTunnel(id, ref tunnel) => drop(self.tunnels.insert(id, **tunnel)),
            Op::PutRemoteVtep(ends, id) => drop(self.remote_vteps.insert(ends, id)),
            Op::DelRemoteVtep(ends, id) => {
                self.remote_vteps.remove(&ends);
                self.tunnels.remove(&id);
            }
            Op::PutFlood(key, target) => drop(self.flood.insert(key, target)),
            Op::DelFlood(key) => drop(self.flood.remove(&key)),
            Op::PutSwitch(vni, switch) => drop(self.switches.insert(vni, switch)),
            Op::DelSwitch(vni) => drop(self.switches.remove(&vni)),
            Op::PutBinding(key, binding) => drop(self.bindings.insert(key, binding)),
            Op::DelBinding(key) => drop(self.bindings.remove(&key)),
            Op::PutMac(key, entry) => self.static_macs.insert(key, entry),
            Op::DelMac(ref key) => self.static_macs.remove(key),
            Op::Forget(ref whose) => self.outdated.retain(|outdated| !whose.contains(outdated)),
            Op::ResetBindingStats(_) | Op::ResetTunnelStats(_) => {}
        }
    }

    /// Returns the scope of learned MACs that are wrong once `op` is done.
    pub(super) fn outdated_by(&self, op: &Op) -> Option<Forget> {
        match *op {
            Op::DelRemoteVtep(_, id) => Some(Forget::Tunnel(id)),
            Op::DelBinding(key) => Some(Forget::Binding(key)),
            // It moved to another logical switch, or the data in its learned MACs has changed.
            Op::PutBinding(key, new) => {
                let old = self.bindings.get(&key)?;
                (old.vni != new.vni || old.flags != new.flags).then_some(Forget::Binding(key))
            }
            Op::DelSwitch(vni) => Some(Forget::Switch(vni)),
            // A station behind it may appear at another place next; until then it has no place.
            Op::PutDown(ifindex) => Some(Forget::Port(ifindex)),
            // It no longer accepts MACs that were learned from tunnels.
            Op::PutSwitch(vni, new) => {
                let old = self.switches.get(&vni)?;
                (old.flags & !new.flags & LEARN_REMOTE != 0).then_some(Forget::Switch(vni))
            }
            _ => None,
        }
    }
}
