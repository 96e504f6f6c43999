//! Writes to the maps: one operation at a time, and the values that the agent sets beside the operations.

use std::{collections::BTreeSet, io};

use aya::{
    maps::{MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues},
    util::nr_cpus,
};
use gateway_common::{
    binding::{BindingKey, Traffic},
    budget::{self, Budget},
    fdb::{self, FdbKey},
    logical_switch::SwitchEntry,
    loss::Loss,
    tunnel::{RemoteVtepKey, Tunnel},
};

use super::{
    Maps,
    error::{MapsError, Named},
};
use crate::op::{Forget, Op};

impl Maps {
    /// Carries out one operation.
    pub(crate) fn write(&mut self, op: &Op) -> Result<(), MapsError> {
        match op {
            Op::PutSettings(settings) => self.settings.set(0, settings, 0).of("settings"),
            Op::PutXdpPort(ifindex) => {
                self.count_losses(*ifindex)?;
                self.devmap.insert(*ifindex, *ifindex, None, 0).map_err(|reason| MapsError::Device {
                    name: "devmap",
                    ifindex: *ifindex,
                    reason,
                })
            }
            // The kernel removes a device by itself when the device disappears.
            Op::DelXdpPort(ifindex) => gone_is_fine(self.devmap.remove(*ifindex)).of("devmap"),
            Op::PutXdpSgPort(ifindex) => self
                .devmap_sg
                .insert(*ifindex, *ifindex, None, 0)
                .map_err(|reason| MapsError::Device { name: "devmap_sg", ifindex: *ifindex, reason }),
            Op::DelXdpSgPort(ifindex) => gone_is_fine(self.devmap_sg.remove(*ifindex)).of("devmap_sg"),
            Op::PutDown(ifindex) => self.down.insert(ifindex, 1, 0).of("down"),
            Op::DelDown(ifindex) => gone_is_fine(self.down.remove(ifindex)).of("down"),
            Op::PutMember(member, bond) => self.members.insert(member, bond, 0).of("members"),
            Op::DelMember(member) => gone_is_fine(self.members.remove(member)).of("members"),
            Op::PutVtep(addr, vtep) => self.vteps.insert(addr, vtep, 0).of("vteps"),
            Op::DelVtep(addr) => gone_is_fine(self.vteps.remove(addr)).of("vteps"),
            Op::PutArrival(arrival) => self.arrivals.insert(arrival, 1, 0).of("arrivals"),
            Op::DelArrival(arrival) => gone_is_fine(self.arrivals.remove(arrival)).of("arrivals"),
            Op::PutTunnel(id, tunnel) => self.put_tunnel(*id, tunnel),
            Op::PutRemoteVtep(ends, id) => self.remote_vteps.insert(ends, id, 0).of("remote_vteps"),
            Op::DelRemoteVtep(ends, _) => gone_is_fine(self.remote_vteps.remove(ends)).of("remote_vteps"),
            Op::PutFlood(key, target) => self.flood.insert(key, target, 0).of("flood"),
            Op::DelFlood(key) => gone_is_fine(self.flood.remove(key)).of("flood"),
            Op::PutSwitch(vni, switch) => self.put_switch(*vni, switch),
            Op::DelSwitch(vni) => {
                gone_is_fine(self.switches.remove(vni)).of("switches")?;
                gone_is_fine(self.learned.remove(vni)).of("learned")
            }
            Op::PutBinding(key, binding) => self.bindings.insert(key, binding, 0).of("bindings"),
            Op::DelBinding(key) => gone_is_fine(self.bindings.remove(key)).of("bindings"),
            Op::PutMac(key, entry) => self.fdb.insert(key, entry, 0).of("fdb"),
            Op::DelMac(key) => gone_is_fine(self.fdb.remove(key)).of("fdb"),
            Op::ResetBindingStats(id) => {
                reset(&mut self.binding_stats, *id).of("binding_stats")?;
                self.budgets.set(budget::of_binding(*id), Budget::default(), 0).of("budgets")
            }
            Op::ResetTunnelStats(id) => {
                reset(&mut self.tunnel_stats, *id).of("tunnel_stats")?;
                self.budgets.set(budget::of_tunnel(*id), Budget::default(), 0).of("budgets")
            }
            Op::Forget(whose) => self.forget(whose),
        }
    }

    /// Fills the idle bank first and then switches to it (see [`Tunnel`]).
    fn put_tunnel(&mut self, id: u32, tunnel: &Tunnel) -> Result<(), MapsError> {
        let old = self.tunnels.get(&id, 0).of("tunnels")?;
        if old.bank != tunnel.bank {
            let filled = Tunnel { bank: old.bank, ..*tunnel };
            self.tunnels.set(id, filled, 0).of("tunnels")?;
        }
        self.tunnels.set(id, tunnel, 0).of("tunnels")
    }

    /// Writes a logical switch. The kernel counts learned MACs only if there is a counter.
    fn put_switch(&mut self, vni: u32, switch: &SwitchEntry) -> Result<(), MapsError> {
        const ONLY_NEW: u64 = 1;
        match self.learned.insert(vni, 0, ONLY_NEW) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::EEXIST) => {}
            other => other.of("learned")?,
        }
        self.switches.insert(vni, switch, 0).of("switches")
    }

    fn forget(&mut self, whose: &BTreeSet<Forget>) -> Result<(), MapsError> {
        let mut doomed = Vec::new();
        for row in self.fdb() {
            let (key, entry) = row?;
            if entry.origin != fdb::LEARNED {
                continue;
            }
            let place = match entry.to.kind {
                fdb::REMOTE => Forget::Tunnel(entry.to.out),
                _ => Forget::Binding(BindingKey { ifindex: entry.to.out, vlan: entry.to.vlan, reserved: 0 }),
            };
            let behind_port = entry.to.kind == fdb::LOCAL && whose.contains(&Forget::Port(entry.to.out));
            if behind_port || whose.contains(&place) || whose.contains(&Forget::Switch(key.vni)) {
                doomed.push(key);
            }
        }
        for key in doomed {
            gone_is_fine(self.fdb.remove(&key)).of("fdb")?;
        }
        Ok(())
    }

    /// Removes a learned MAC.
    pub(crate) fn remove_mac(&mut self, key: &FdbKey) -> Result<(), MapsError> {
        gone_is_fine(self.fdb.remove(key)).of("fdb")
    }

    /// Forgets a reported path MTU.
    pub fn forget_path_mtu(&mut self, ends: &RemoteVtepKey) -> Result<(), MapsError> {
        gone_is_fine(self.path_mtu.remove(ends)).of("path_mtu")
    }

    /// Invalidates the flow cache of every CPU.
    pub(crate) fn invalidate_flows(&self) {
        self.generation.count();
    }

    /// Sets the end of lease number `lease`: CLOCK_MONOTONIC nanoseconds.
    pub fn set_lease(&mut self, lease: u32, until: u64) -> Result<(), MapsError> {
        self.leases.set(lease, until, 0).of("leases")
    }

    /// Writes the used budgets of the binding or tunnel at `place`.
    pub fn set_budget(&mut self, place: u32, budget: &Budget) -> Result<(), MapsError> {
        self.budgets.set(place, budget, 0).of("budgets")
    }

    /// Adds a loss counter for an interface, if there is none yet.
    fn count_losses(&mut self, ifindex: u32) -> Result<(), MapsError> {
        match self.losses.get(&ifindex, 0) {
            Err(MapError::KeyNotFound) => {}
            other => return other.map(drop).of("losses"),
        }
        let counts = |map: &mut PerCpuHashMap<MapData, u32, Loss>| {
            let zeroes = PerCpuValues::try_from(vec![Loss::default(); nr_cpus().unwrap_or(1)]);
            map.insert(ifindex, zeroes.map_err(MapError::IoError)?, 0)
        };
        if counts(&mut self.losses).is_ok() {
            return Ok(());
        }
        // The map is full of interfaces that are gone: their numbers are never used again.
        let ports: BTreeSet<u32> = self.devmap.keys().filter_map(Result::ok).collect();
        let gone: Vec<u32> = self.losses.keys().filter_map(Result::ok).filter(|key| !ports.contains(key)).collect();
        for key in gone {
            gone_is_fine(self.losses.remove(&key)).of("losses")?;
        }
        counts(&mut self.losses).of("losses")
    }
}

fn reset(stats: &mut PerCpuArray<MapData, Traffic>, id: u32) -> Result<(), MapError> {
    let cpus = stats.get(&id, 0)?.len();
    let zeroes = PerCpuValues::try_from(vec![Traffic::default(); cpus])
        .map_err(|io_error| MapError::IoError(io::Error::other(io_error)))?;
    stats.set(id, zeroes, 0)
}

fn gone_is_fine(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}
