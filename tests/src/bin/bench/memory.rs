//! Memory of the maps, as the kernel accounts for it.

use std::{fs, os::fd::AsRawFd, path::Path};

use anyhow::{Context, Result};
use aya::maps::MapData;
use gateway_datapath::{
    load::{self, Settings},
    pins::PinDir,
};
use lab::Lab;
use serde::Serialize;

use crate::progress::step;

/// Room for MACs in the two data planes that are compared.
const FEW: u32 = 1024;
const MANY: u32 = 100_000;

/// Memory of maps.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    /// For 100,000 MACs: the memory of all maps with room for as many, less that of those with room for 1024. The maps
    /// allocate all room for MACs from the start.
    pub(crate) bytes_per_100k: u64,
    /// All maps with room for 1024 MACs.
    pub(crate) few_bytes: u64,
}

/// Measures the memory.
///
/// # Errors
/// If the data plane can't be loaded, or the kernel does not report the memory.
pub(crate) fn measure(lab: &Lab) -> Result<Memory> {
    step("memory");
    let (few, many) = (bytes(lab, FEW)?, bytes(lab, MANY)?);
    let per_mac = (many - few) as f64 / f64::from(MANY - FEW);
    Ok(Memory { bytes_per_100k: (per_mac * f64::from(MANY)) as u64, few_bytes: few })
}

/// Returns the bytes of all maps with room for `macs` MACs.
fn bytes(lab: &Lab, macs: u32) -> Result<u64> {
    let pins = PinDir::new(lab.pins(&format!("memory{macs}")));
    let loaded = load::load(&pins, Settings { udp_port: 4789, fdb_size: macs, trace: false }, ::gateway::OBJECTS)?;
    loaded.committer().commit()?;
    let maps = fs::read_dir(pins.maps()).with_context(|| format!("reading {}", pins.maps().display()))?;
    maps.map(|map| accounted(&map?.path())).sum()
}

/// Returns the bytes that the kernel accounts for a pinned map.
fn accounted(pin: &Path) -> Result<u64> {
    let map = MapData::from_pin(pin).with_context(|| format!("opening the map {}", pin.display()))?;
    let path = format!("/proc/self/fdinfo/{}", std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let bytes = text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
    bytes.with_context(|| format!("{path} does not show the memory of {}", pin.display()))
}
