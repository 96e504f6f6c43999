//! The BPF maps as types: opened from a loaded object or from their pins, read back and written.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{
    Array, DevMapHash, HashMap, IterableMap, Map, MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues, RingBuf,
    xdp::XdpMapError,
};
use aya::util::nr_cpus;
use bytemuck::Zeroable;
use gateway_common::{
    binding::{Binding, BindingKey, Settings, Traffic},
    budget::{self, Budget},
    counters::{Drops, Paths},
    fdb::{self, FdbEntry, FdbKey, Target},
    logical_switch::{FloodKey, SwitchEntry},
    loss::Loss,
    path_mtu::PathMtu,
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

use super::{
    generation::SharedGeneration,
    map_batch,
    op::{Forget, Op},
    pins::PinDir,
    programmed::Programmed,
};

/// Error of opening, reading or writing a map.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// The map is missing.
    #[error("no map {0}: the data plane is not loaded, or by another version")]
    Missing(&'static str),
    /// The kernel refused.
    #[error("map {name}: {reason}")]
    Map {
        /// The map.
        name: &'static str,
        /// The error of the kernel.
        reason: MapError,
    },
    /// The kernel refused a device.
    #[error("map {name}: interface {ifindex}: {reason}")]
    Device {
        /// The map.
        name: &'static str,
        /// The interface.
        ifindex: u32,
        /// The error of the kernel.
        reason: XdpMapError,
    },
}

impl MapsError {
    /// Returns true if the map has no room for another element.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Map { reason: MapError::SyscallError(error), .. }
            if error.io_error.raw_os_error() == Some(libc::E2BIG))
    }
}

trait Named<T> {
    fn of(self, name: &'static str) -> Result<T, MapsError>;
}

impl<T> Named<T> for Result<T, MapError> {
    fn of(self, name: &'static str) -> Result<T, MapsError> {
        self.map_err(|reason| MapsError::Map { name, reason })
    }
}

/// MACs on a page of the forwarding database: as many as the event loop of the agent can write without a delay for
/// others.
const PAGE: usize = 1024;

/// MACs, and the position of the next page.
pub(crate) type FdbPage = (Vec<(FdbKey, FdbEntry)>, Option<u32>);

/// All maps of the data plane.
pub struct Maps {
    settings: Array<MapData, Settings>,
    generation: SharedGeneration,
    vteps: HashMap<MapData, Addr, Vtep>,
    arrivals: HashMap<MapData, Arrival, u32>,
    leases: Array<MapData, u64>,
    remote_vteps: HashMap<MapData, RemoteVtepKey, u32>,
    tunnels: Array<MapData, Tunnel>,
    tunnel_stats: PerCpuArray<MapData, Traffic>,
    strays: PerCpuArray<MapData, u64>,
    switches: HashMap<MapData, u32, SwitchEntry>,
    learned: HashMap<MapData, u32, u64>,
    flood: HashMap<MapData, FloodKey, Target>,
    bindings: HashMap<MapData, BindingKey, Binding>,
    binding_stats: PerCpuArray<MapData, Traffic>,
    budgets: Array<MapData, Budget>,
    fdb: HashMap<MapData, FdbKey, FdbEntry>,
    drops: PerCpuArray<MapData, Drops>,
    paths: PerCpuArray<MapData, Paths>,
    devmap: DevMapHash<MapData>,
    devmap_sg: DevMapHash<MapData>,
    down: HashMap<MapData, u32, u32>,
    path_mtu: HashMap<MapData, RemoteVtepKey, PathMtu>,
    losses: PerCpuHashMap<MapData, u32, Loss>,
}

impl Maps {
    /// Takes the maps from `find`, which finds them by name.
    pub(crate) fn from_source(mut find: impl FnMut(&'static str) -> Option<Map>) -> Result<Self, MapsError> {
        macro_rules! take {
            ($name:literal) => {
                find($name).ok_or(MapsError::Missing($name))?.try_into().of($name)?
            };
        }
        Ok(Self {
            settings: take!("settings"),
            generation: SharedGeneration::of(find("generation").ok_or(MapsError::Missing("generation"))?)
                .map_err(|reason| MapsError::Map { name: "generation", reason: MapError::IoError(reason) })?,
            vteps: take!("vteps"),
            arrivals: take!("arrivals"),
            leases: take!("leases"),
            remote_vteps: take!("remote_vteps"),
            tunnels: take!("tunnels"),
            tunnel_stats: take!("tunnel_stats"),
            strays: take!("strays"),
            switches: take!("switches"),
            learned: take!("learned"),
            flood: take!("flood"),
            bindings: take!("bindings"),
            binding_stats: take!("binding_stats"),
            budgets: take!("budgets"),
            fdb: take!("fdb"),
            drops: take!("drops"),
            paths: take!("paths"),
            devmap: take!("devmap"),
            devmap_sg: take!("devmap_sg"),
            down: take!("down"),
            path_mtu: take!("path_mtu"),
            losses: take!("losses"),
        })
    }

    /// Opens the maps of a running data plane by their pins.
    pub fn open(pins: &PinDir) -> Result<Self, MapsError> {
        let dir = pins.maps();
        Self::from_source(|name| Map::from_map_data(MapData::from_pin(dir.join(name)).ok()?).ok())
    }

    /// Opens the ring buffer of a running data plane.
    pub fn open_events(pins: &PinDir) -> Result<RingBuf<MapData>, MapsError> {
        let map = MapData::from_pin(pins.maps().join("events")).of("events")?;
        Map::from_map_data(map).and_then(TryInto::try_into).of("events")
    }

    /// Reads back the elements that the agent, or an earlier one, has written.
    pub fn programmed(&self) -> Result<Programmed, MapsError> {
        let remote_vteps =
            self.remote_vteps.iter().collect::<Result<std::collections::BTreeMap<_, _>, _>>().of("remote_vteps")?;
        let mut tunnels = std::collections::BTreeMap::new();
        for id in remote_vteps.values() {
            tunnels.insert(*id, self.tunnels.get(id, 0).of("tunnels")?);
        }
        Ok(Programmed {
            settings: self.settings.get(&0, 0).of("settings")?,
            vteps: self.vteps.iter().collect::<Result<_, _>>().of("vteps")?,
            arrivals: self.arrivals.keys().collect::<Result<_, _>>().of("arrivals")?,
            remote_vteps,
            tunnels,
            switches: self.switches.iter().collect::<Result<_, _>>().of("switches")?,
            bindings: self.bindings.iter().collect::<Result<_, _>>().of("bindings")?,
            static_macs: self
                .fdb()
                .filter(|row| row.as_ref().map_or(true, |(_, entry)| entry.origin == fdb::STATIC))
                .collect::<Result<_, _>>()?,
            flood: self.flood.iter().collect::<Result<_, _>>().of("flood")?,
            xdp_ports: self.devmap.keys().collect::<Result<BTreeSet<_>, _>>().of("devmap")?,
            xdp_sg_ports: self.devmap_sg.keys().collect::<Result<BTreeSet<_>, _>>().of("devmap_sg")?,
            down: self.down.keys().collect::<Result<BTreeSet<_>, _>>().of("down")?,
            // Anything that an earlier agent did not finish, the first FDB scan finds.
            outdated: BTreeSet::new(),
        })
    }

    /// Carries out one operation.
    pub(super) fn write(&mut self, op: &Op) -> Result<(), MapsError> {
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
            Op::PutVtep(addr, vtep) => self.vteps.insert(addr, vtep, 0).of("vteps"),
            Op::DelVtep(addr) => gone_is_fine(self.vteps.remove(addr)).of("vteps"),
            Op::PutArrival(arrival) => self.arrivals.insert(arrival, 1, 0).of("arrivals"),
            Op::DelArrival(arrival) => gone_is_fine(self.arrivals.remove(arrival)).of("arrivals"),
            Op::PutTunnel(id, tunnel) => self.put_tunnel(*id, tunnel),
            Op::PutRemoteVtep(ends, id) => self.remote_vteps.insert(ends, id, 0).of("remote_vteps"),
            Op::DelRemoteVtep(ends, _) => gone_is_fine(self.remote_vteps.remove(ends)).of("remote_vteps"),
            Op::PutFlood(key, target) => self.flood.insert(key, target, 0).of("flood"),
            Op::DelFlood(key) => gone_is_fine(self.flood.remove(key)).of("flood"),
            Op::PutSwitch(vni, switch) => self.put_segment(*vni, switch),
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
    fn put_segment(&mut self, vni: u32, switch: &SwitchEntry) -> Result<(), MapsError> {
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

    /// Invalidates the flow cache of every CPU.
    pub(super) fn invalidate_flows(&self) {
        self.generation.count();
    }

    /// Sets the end of lease number `lease`: CLOCK_MONOTONIC nanoseconds.
    pub fn set_lease(&mut self, lease: u32, until: u64) -> Result<(), MapsError> {
        self.leases.set(lease, until, 0).of("leases")
    }

    /// Iterates over all MACs, static and learned.
    pub fn fdb(&self) -> Box<dyn Iterator<Item = Result<(FdbKey, FdbEntry), MapsError>> + '_> {
        match map_batch::Walk::begin(self.fdb_fd()) {
            Ok(walk) => Box::new(walk.map(|row| row.map_err(MapError::IoError).of("fdb"))),
            // The kernel has no batches.
            Err(_) => Box::new(self.fdb.iter().map(|row| row.of("fdb"))),
        }
    }

    /// Returns a page of MACs, from a position that an earlier call has returned, or from the start, and the position
    /// of the next page, if any. A MAC that exists throughout a walk appears exactly once, whatever is added or removed
    /// meanwhile.
    pub fn fdb_page(&self, from: Option<u32>) -> Result<FdbPage, MapsError> {
        let mut keys = vec![FdbKey::new(0, [0; 6]); PAGE];
        let mut entries = vec![FdbEntry::zeroed(); PAGE];
        let fetched = map_batch::fetch(self.fdb_fd(), from, &mut keys, &mut entries);
        let (count, next) = fetched.map_err(MapError::IoError).of("fdb")?;
        keys.truncate(count);
        Ok((keys.into_iter().zip(entries).collect(), next))
    }

    /// Returns the map of MACs, for other ways of access.
    pub(super) fn fdb_fd(&self) -> BorrowedFd<'_> {
        self.fdb.map().fd().as_fd()
    }

    /// Returns the entry of one MAC.
    pub fn mac(&self, key: &FdbKey) -> Result<Option<FdbEntry>, MapsError> {
        match self.fdb.get(key, 0) {
            Ok(entry) => Ok(Some(entry)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(reason) => Err(MapsError::Map { name: "fdb", reason }),
        }
    }

    /// Removes a learned MAC.
    pub(super) fn remove_mac(&mut self, key: &FdbKey) -> Result<(), MapsError> {
        gone_is_fine(self.fdb.remove(key)).of("fdb")
    }

    /// Returns the number of MACs that the kernel has ever learned in `vni`.
    pub fn learned(&self, vni: u32) -> Result<u64, MapsError> {
        match self.learned.get(&vni, 0) {
            Err(MapError::KeyNotFound) => Ok(0),
            other => other.of("learned"),
        }
    }

    /// Returns the used budgets of the binding or tunnel at `place` (see [`gateway_common::budget::place`]).
    pub fn budget(&self, place: u32) -> Result<Budget, MapsError> {
        self.budgets.get(&place, 0).of("budgets")
    }

    /// Writes the used budgets of the binding or tunnel at `place`.
    pub fn set_budget(&mut self, place: u32, budget: &Budget) -> Result<(), MapsError> {
        self.budgets.set(place, budget, 0).of("budgets")
    }

    /// Returns the drop counters, summed over all CPUs.
    pub fn drops(&self) -> Result<Drops, MapsError> {
        let mut sum = Drops::default();
        self.drops.get(&0, 0).of("drops")?.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
    }

    /// Returns the path counters, summed over all CPUs.
    pub fn paths(&self) -> Result<Paths, MapsError> {
        let mut sum = Paths::default();
        self.paths.get(&0, 0).of("paths")?.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
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

    /// Returns the packets lost after a redirect, by interface, summed over all CPUs.
    pub fn losses(&self) -> Result<std::collections::BTreeMap<u32, Loss>, MapsError> {
        let mut all = std::collections::BTreeMap::new();
        for row in self.losses.iter() {
            let (ifindex, cpus) = row.of("losses")?;
            let mut sum = Loss::default();
            cpus.iter().for_each(|cpu| sum.add(cpu));
            all.insert(ifindex, sum);
        }
        Ok(all)
    }

    /// Returns the path MTUs to remote VTEPs that routers have reported.
    pub fn path_mtus(&self) -> Result<Vec<(RemoteVtepKey, PathMtu)>, MapsError> {
        self.path_mtu.iter().collect::<Result<_, _>>().of("path_mtu")
    }

    /// Forgets a reported path MTU.
    pub fn forget_path_mtu(&mut self, ends: &RemoteVtepKey) -> Result<(), MapsError> {
        gone_is_fine(self.path_mtu.remove(ends)).of("path_mtu")
    }

    /// Returns the number of tunnel packets that arrived while lease number `lease` did not run here, summed over all
    /// CPUs.
    pub fn strays(&self, lease: u32) -> Result<u64, MapsError> {
        Ok(self.strays.get(&lease, 0).of("strays")?.iter().sum())
    }

    /// Returns the traffic of binding number `id`, summed over all CPUs.
    pub fn binding_traffic(&self, id: u32) -> Result<Traffic, MapsError> {
        Ok(sum(&self.binding_stats.get(&id, 0).of("binding_stats")?))
    }

    /// Returns the traffic of tunnel number `id`, summed over all CPUs.
    pub fn tunnel_traffic(&self, id: u32) -> Result<Traffic, MapsError> {
        Ok(sum(&self.tunnel_stats.get(&id, 0).of("tunnel_stats")?))
    }
}

fn sum(cpus: &PerCpuValues<Traffic>) -> Traffic {
    cpus.iter().fold(Traffic::default(), |mut sum, cpu| {
        sum.rx_packets += cpu.rx_packets;
        sum.rx_bytes += cpu.rx_bytes;
        sum.tx_packets += cpu.tx_packets;
        sum.tx_bytes += cpu.tx_bytes;
        sum
    })
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
