//! The maps, read by their pins.

use std::{
    fs,
    ops::Range,
    os::fd::{AsFd, AsRawFd},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use aya::maps::{HashMap, Map, MapData};
use gateway_common::fdb::{FdbEntry, FdbKey, LEARNED, STATIC};
use gateway_datapath::pins::PINNED_MAPS;
use lab::wait::{Stopwatch, pause};

use super::{LATER, cloud};

/// Interval of polling for many stations: polling must not take the CPU from the agent.
const STEP: Duration = Duration::from_millis(1);
/// Number of stations, spread evenly, that are polled first, before all of many are.
const SAMPLES: usize = 128;

/// The maps of a gateway.
pub(crate) struct Kernel {
    fdb: HashMap<MapData, FdbKey, FdbEntry>,
    maps: Vec<(&'static str, MapData)>,
}

/// Memory of the maps, in bytes, as the kernel reports it (`memlock` in `/proc/PID/fdinfo`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelMemory {
    /// Map `fdb`.
    pub(crate) fdb: u64,
    /// One entry of it: its memory divided by the entries it has room for.
    pub(crate) fdb_entry: f64,
    /// All other pinned maps.
    pub(crate) others: u64,
}

impl Kernel {
    /// Opens the maps pinned under `pin_dir`.
    pub(crate) fn open(pin_dir: &Path) -> Result<Self> {
        let open = |name: &str| {
            let path = pin_dir.join("maps").join(name);
            MapData::from_pin(&path).with_context(|| format!("opening the map {}", path.display()))
        };
        let maps = PINNED_MAPS.iter().map(|name| Ok((*name, open(name)?))).collect::<Result<_>>()?;
        Ok(Self { fdb: HashMap::try_from(Map::from_map_data(open("fdb")?)?)?, maps })
    }

    /// Returns true if station `number` is in the map as a static one.
    pub(crate) fn has(&self, number: u32) -> bool {
        self.fdb.get(&cloud::key(number), 0).is_ok_and(|entry| entry.origin == STATIC)
    }

    /// Returns true if host `number` behind the access port is in the map as a learned one.
    pub(crate) fn has_learned(&self, number: u32) -> bool {
        self.fdb.get(&cloud::local_key(number), 0).is_ok_and(|entry| entry.origin == LEARNED)
    }

    /// Waits until all of these stations are in the map. Returns the time on `watch` at that moment.
    pub(crate) fn wait_all(&self, numbers: Range<u32>, watch: &Stopwatch) -> Result<Duration> {
        let step = (numbers.len() / SAMPLES).max(1);
        let mut missing: Vec<u32> = numbers.clone().step_by(step).chain(numbers.clone().last()).collect();
        loop {
            missing.retain(|number| !self.has(*number));
            if missing.is_empty() {
                let when = watch.elapsed();
                // These were spread among the others. If any of those is missing now, the loop waits for it.
                missing = numbers.clone().filter(|number| !self.has(*number)).collect();
                if missing.is_empty() {
                    return Ok(when);
                }
            }
            ensure!(watch.elapsed() < LATER, "{} stations did not come into the map", missing.len());
            pause(STEP);
        }
    }

    /// Returns the memory of all of them.
    pub(crate) fn memory(&self) -> Result<KernelMemory> {
        let (mut all, mut fdb, mut entries) = (0, 0, 1);
        for (name, map) in &self.maps {
            let memory = field(map, "memlock:")?;
            all += memory;
            if *name == "fdb" {
                (fdb, entries) = (memory, field(map, "max_entries:")?);
            }
        }
        Ok(KernelMemory { fdb, fdb_entry: fdb as f64 / entries as f64, others: all - fdb })
    }
}

fn field(map: &MapData, name: &str) -> Result<u64> {
    let file = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
    let text = fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.with_context(|| format!("no {name} in {file}"))
}
