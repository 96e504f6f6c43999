//! The BPF maps as types: opened from a loaded object or from their pins, and read back. `write` writes them, `counters`
//! sums their counters.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{Array, DevMapHash, HashMap, IterableMap, Map, MapData, MapError, PerCpuArray, PerCpuHashMap, RingBuf};
use bytemuck::Zeroable;
use gateway_common::{
    binding::{Binding, BindingKey, Settings, Traffic},
    budget::Budget,
    counters::{Drops, Paths},
    fdb::{self, FdbEntry, FdbKey, Target},
    logical_switch::{FloodKey, SwitchEntry},
    loss::Loss,
    path_mtu::PathMtu,
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

use super::{generation::SharedGeneration, map_batch, pins::PinDir, programmed::Programmed};

mod counters;
mod error;
mod write;

pub use error::MapsError;
use error::Named;

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
    members: HashMap<MapData, u32, u32>,
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
            members: take!("members"),
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
            members: self.members.iter().collect::<Result<_, _>>().of("members")?,
            // Anything that an earlier agent did not finish, the first FDB scan finds.
            outdated: BTreeSet::new(),
        })
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

    /// Returns the path MTUs to remote VTEPs that routers have reported.
    pub fn path_mtus(&self) -> Result<Vec<(RemoteVtepKey, PathMtu)>, MapsError> {
        self.path_mtu.iter().collect::<Result<_, _>>().of("path_mtu")
    }
}
