//! The maps themselves: typed, opened from a loaded object or from their pins, read back and written.

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

/// A map could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// It is not there.
    #[error("no map {0}: the data plane is not loaded, or by another version")]
    Missing(&'static str),
    /// The kernel refused.
    #[error("map {name}: {reason}")]
    Map {
        /// Which map.
        name: &'static str,
        /// What the kernel said.
        reason: MapError,
    },
    /// The kernel refused a device.
    #[error("map {name}: interface {ifindex}: {reason}")]
    Device {
        /// Which map.
        name: &'static str,
        /// Which interface.
        ifindex: u32,
        /// What the kernel said.
        reason: XdpMapError,
    },
}

impl MapsError {
    /// True if the map has no room for another element.
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

/// MACs on a page of the forwarding database: what the loop of the agent writes down without anybody having to wait.
const PAGE: usize = 1024;

/// MACs, and the position of the next ones.
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
    /// Takes the maps from wherever `find` finds them by name.
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

    /// Reads back what the agent, perhaps an earlier one, has written.
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
            given: self
                .fdb()
                .filter(|row| row.as_ref().map_or(true, |(_, entry)| entry.origin == fdb::GIVEN))
                .collect::<Result<_, _>>()?,
            flood: self.flood.iter().collect::<Result<_, _>>().of("flood")?,
            xdp_ports: self.devmap.keys().collect::<Result<BTreeSet<_>, _>>().of("devmap")?,
            xdp_sg_ports: self.devmap_sg.keys().collect::<Result<BTreeSet<_>, _>>().of("devmap_sg")?,
            down: self.down.keys().collect::<Result<BTreeSet<_>, _>>().of("down")?,
            // What an earlier agent did not get to, the first census finds.
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
            // The kernel takes a device out by itself when it goes.
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

    /// Fills the idle bank first and then turns to it (see [`Tunnel`]).
    fn put_tunnel(&mut self, id: u32, tunnel: &Tunnel) -> Result<(), MapsError> {
        let old = self.tunnels.get(&id, 0).of("tunnels")?;
        if old.bank != tunnel.bank {
            let filled = Tunnel { bank: old.bank, ..*tunnel };
            self.tunnels.set(id, filled, 0).of("tunnels")?;
        }
        self.tunnels.set(id, tunnel, 0).of("tunnels")
    }

    /// The kernel counts learned MACs only where there is a counter.
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

    /// Sets until when lease number `lease` runs: CLOCK_MONOTONIC nanoseconds.
    pub fn set_lease(&mut self, lease: u32, until: u64) -> Result<(), MapsError> {
        self.leases.set(lease, until, 0).of("leases")
    }

    /// All MACs, given and learned.
    pub fn fdb(&self) -> Box<dyn Iterator<Item = Result<(FdbKey, FdbEntry), MapsError>> + '_> {
        match map_batch::Walk::begin(self.fdb_fd()) {
            Ok(walk) => Box::new(walk.map(|row| row.map_err(MapError::IoError).of("fdb"))),
            // No batches here.
            Err(_) => Box::new(self.fdb.iter().map(|row| row.of("fdb"))),
        }
    }

    /// A thousand MACs, from a position that an earlier call has given, or from the start; and the position of the next,
    /// if there are any. What is there all the while comes once, whatever comes and goes meanwhile.
    pub fn fdb_page(&self, from: Option<u32>) -> Result<FdbPage, MapsError> {
        let mut keys = vec![FdbKey::new(0, [0; 6]); PAGE];
        let mut entries = vec![FdbEntry::zeroed(); PAGE];
        let fetched = map_batch::fetch(self.fdb_fd(), from, &mut keys, &mut entries);
        let (count, next) = fetched.map_err(MapError::IoError).of("fdb")?;
        keys.truncate(count);
        Ok((keys.into_iter().zip(entries).collect(), next))
    }

    /// The map of MACs, to be read and written in other ways.
    pub(super) fn fdb_fd(&self) -> BorrowedFd<'_> {
        self.fdb.map().fd().as_fd()
    }

    /// One MAC.
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

    /// MACs the kernel has learned in `vni`, ever.
    pub fn learned(&self, vni: u32) -> Result<u64, MapsError> {
        match self.learned.get(&vni, 0) {
            Err(MapError::KeyNotFound) => Ok(0),
            other => other.of("learned"),
        }
    }

    /// What the binding or tunnel at `place` has used of its budgets (see [`gateway_common::budget::place`]).
    pub fn budget(&self, place: u32) -> Result<Budget, MapsError> {
        self.budgets.get(&place, 0).of("budgets")
    }

    /// Writes what the binding or tunnel at `place` has used of its budgets.
    pub fn set_budget(&mut self, place: u32, budget: &Budget) -> Result<(), MapsError> {
        self.budgets.set(place, budget, 0).of("budgets")
    }

    /// Drop counters, all CPUs together.
    pub fn drops(&self) -> Result<Drops, MapsError> {
        let mut sum = Drops::default();
        self.drops.get(&0, 0).of("drops")?.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
    }

    /// Path counters, all CPUs together.
    pub fn paths(&self) -> Result<Paths, MapsError> {
        let mut sum = Paths::default();
        self.paths.get(&0, 0).of("paths")?.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
    }

    /// Has what is lost on the way out of an interface counted from now on, if it is not yet.
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
        // Full of interfaces that are gone: their numbers never come again.
        let ports: BTreeSet<u32> = self.devmap.keys().filter_map(Result::ok).collect();
        let gone: Vec<u32> = self.losses.keys().filter_map(Result::ok).filter(|key| !ports.contains(key)).collect();
        for key in gone {
            gone_is_fine(self.losses.remove(&key)).of("losses")?;
        }
        counts(&mut self.losses).of("losses")
    }

    /// What was lost after a redirect, by interface, all CPUs together.
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

    /// What routers have said of the paths to remote VTEPs.
    pub fn path_mtus(&self) -> Result<Vec<(RemoteVtepKey, PathMtu)>, MapsError> {
        self.path_mtu.iter().collect::<Result<_, _>>().of("path_mtu")
    }

    /// Forgets what a router has said.
    pub fn forget_path_mtu(&mut self, ends: &RemoteVtepKey) -> Result<(), MapsError> {
        gone_is_fine(self.path_mtu.remove(ends)).of("path_mtu")
    }

    /// Tunnel packets that came while lease number `lease` did not run here, all CPUs together.
    pub fn strays(&self, lease: u32) -> Result<u64, MapsError> {
        Ok(self.strays.get(&lease, 0).of("strays")?.iter().sum())
    }

    /// Traffic of binding number `id`, all CPUs together.
    pub fn binding_traffic(&self, id: u32) -> Result<Traffic, MapsError> {
        Ok(sum(&self.binding_stats.get(&id, 0).of("binding_stats")?))
    }

    /// Traffic of tunnel number `id`, all CPUs together.
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
