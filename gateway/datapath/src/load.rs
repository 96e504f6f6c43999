//! Loads programs and maps into the kernel, or adopts existing maps.
//!
//! An agent that restarts adopts the maps of the agent before it, so no learned MAC and no packet is lost. If those
//! maps have another layout (an upgrade, another `fdb_size`), it makes new ones beside them, fills them, and puts them
//! in force when the programs are replaced. Then [`Committer::commit`] removes the old ones.

use std::{fmt, fs, io, mem::size_of, path::PathBuf};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, Map, MapData},
};
use gateway_base::causes;
use gateway_common::{
    binding::{self, Binding, BindingKey, Traffic},
    budget::Budget,
    counters::{Drops, Paths},
    event::LearnEvent,
    fdb::{FdbEntry, FdbKey, Target},
    flow::Generation,
    limits,
    logical_switch::{FloodKey, SwitchEntry},
    loss::Loss,
    path_mtu::PathMtu,
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

use super::{
    btf, cpus,
    maps::{Maps, MapsError},
    pins::{PINNED_MAPS, PinDir},
};

/// The compiled programs, which the command embeds. Both are ELF objects, aligned to 8 bytes.
#[derive(Clone, Copy)]
pub struct Objects {
    /// The programs that forward.
    pub forwarding: &'static [u8],
    /// The same programs with an observer at each step, for trace and capture.
    pub capture: &'static [u8],
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { forwarding, capture } = self;
        write!(f, "Objects {{ forwarding: {} bytes, capture: {} bytes }}", forwarding.len(), capture.len())
    }
}

/// Version of the map layout. Changes if the meaning of the maps changes and the sizes of their elements do not.
const LAYOUT: u64 = 3;

/// Error of loading the data plane.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Error of the BPF file system.
    #[error("{path}: {reason}; is the BPF file system mounted there (mount -t bpf bpf /sys/fs/bpf)?", path = .path.display())]
    Pins {
        /// The path that was being made or removed.
        path: PathBuf,
        /// The error text of the kernel.
        reason: io::Error,
    },
    /// Error of the object, or of the verifier.
    #[error("loading the BPF object: {}{}", causes::chain(.0), causes::remedy(causes::errno(.0)))]
    Object(#[from] EbpfError),
    /// Error of a map.
    #[error(transparent)]
    Map(#[from] MapsError),
}

/// Settings that can only be set when loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// UDP port of VXLAN.
    pub udp_port: u16,
    /// Limit of MACs in all logical switches.
    pub fdb_size: u32,
    /// Log every dropped packet.
    pub trace: bool,
}

/// A loaded data plane that is not attached yet.
pub struct Loaded {
    /// Its programs.
    pub ebpf: Ebpf,
    /// Its maps.
    pub maps: Maps,
    /// True if the maps existed already.
    pub adopted: bool,
    /// True if no data plane was in force before.
    pub first: bool,
    pins: PinDir,
}

/// Loads the programs. Adopts the maps pinned under `pins` if they have this layout, else makes new ones.
pub fn load(pins: &PinDir, settings: Settings, objects: Objects) -> Result<Loaded, LoadError> {
    for dir in [pins.root().to_path_buf(), pins.links()] {
        fs::create_dir_all(&dir).map_err(|reason| LoadError::Pins { path: dir, reason })?;
    }
    let first = !pins.maps().exists();
    let layout = fingerprint(settings);
    let adopted = pinned_layout(pins) == Some(layout);
    let dir = if adopted { pins.maps() } else { pins.new_maps() };
    if !adopted {
        remove_tree(&dir)?;
        fs::create_dir_all(&dir).map_err(|reason| LoadError::Pins { path: dir.clone(), reason })?;
    }
    let mut loader = EbpfLoader::new();
    for name in PINNED_MAPS {
        loader.map_pin_path(name, dir.join(name));
    }
    loader.map_max_entries("fdb", settings.fdb_size);
    loader.map_max_entries("flows", limits::FLOWS * cpus::count());
    loader.map_max_entries("clocks", cpus::count());
    loader.override_global("UDP_PORT", &settings.udp_port, true);
    // If the kernel does not report it, the program that would read it is not attached either.
    let offset = btf::ifindex_offset().unwrap_or_default();
    loader.override_global("IFINDEX_OFFSET", &offset, true);
    // Log level of the programs, under aya-log's own name for it; 0 is less than any level.
    let level = if settings.trace { aya_log::Level::Trace as u8 } else { 0 };
    loader.override_global(aya_log::LEVEL, &level, true);
    let mut ebpf = loader.load(objects.forwarding)?;
    if !adopted {
        pin_layout(&dir, layout)?;
    }
    let maps = Maps::from_source(|name| ebpf.take_map(name))?;
    Ok(Loaded { ebpf, maps, adopted, first, pins: pins.clone() })
}

/// Puts new maps in force.
#[derive(Debug)]
pub struct Committer {
    adopted: bool,
    pins: PinDir,
}

impl Loaded {
    /// Returns the directory of its pins.
    pub const fn pins(&self) -> &PinDir {
        &self.pins
    }

    /// Returns the committer, to be called once the programs that use the maps are attached.
    pub fn committer(&self) -> Committer {
        Committer { adopted: self.adopted, pins: self.pins.clone() }
    }
}

impl Committer {
    /// Replaces the old maps by new ones, if there are new ones.
    pub fn commit(&self) -> Result<(), LoadError> {
        if self.adopted {
            return Ok(());
        }
        remove_tree(&self.pins.maps())?;
        let new = self.pins.new_maps();
        fs::rename(&new, self.pins.maps()).map_err(|reason| LoadError::Pins { path: new, reason })
    }

    /// Releases new maps that will not be put in force, and their memory.
    pub fn abandon(&self) -> Result<(), LoadError> {
        remove_tree(&self.pins.new_maps())
    }
}

/// Removes a directory of pins, if it is there.
pub fn remove_tree(dir: &std::path::Path) -> Result<(), LoadError> {
    match fs::remove_dir_all(dir) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
            Err(LoadError::Pins { path: dir.to_path_buf(), reason })
        }
        _ => Ok(()),
    }
}

/// Returns a number that differs if maps of one layout can't be used as another: the sizes of keys, values and maps. (A
/// map that is new shows by its missing pin.)
pub(super) fn fingerprint(settings: Settings) -> u64 {
    let facts = [
        LAYOUT,
        settings.fdb_size.into(),
        size_of::<Addr>() as u64,
        size_of::<Vtep>() as u64,
        size_of::<Arrival>() as u64,
        size_of::<RemoteVtepKey>() as u64,
        size_of::<Tunnel>() as u64,
        size_of::<SwitchEntry>() as u64,
        size_of::<FloodKey>() as u64,
        size_of::<Target>() as u64,
        size_of::<BindingKey>() as u64,
        size_of::<Binding>() as u64,
        size_of::<Traffic>() as u64,
        size_of::<Budget>() as u64,
        size_of::<binding::Settings>() as u64,
        size_of::<FdbKey>() as u64,
        size_of::<FdbEntry>() as u64,
        size_of::<Drops>() as u64,
        size_of::<Paths>() as u64,
        size_of::<LearnEvent>() as u64,
        size_of::<Generation>() as u64,
        size_of::<Loss>() as u64,
        size_of::<PathMtu>() as u64,
        limits::MAX_VTEPS.into(),
        limits::MAX_LEASES.into(),
        limits::MAX_ARRIVALS.into(),
        limits::MAX_TUNNELS.into(),
        limits::MAX_SWITCHES.into(),
        limits::MAX_BINDINGS.into(),
        limits::MAX_FLOOD.into(),
        limits::MAX_PORTS.into(),
        limits::MAX_MEMBERS.into(),
        limits::EVENT_BYTES.into(),
    ];
    mix(&facts)
}

/// FNV-1a, 64 bits, one fact at a time: a change of any one of them changes the number.
fn mix(facts: &[u64]) -> u64 {
    facts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, fact| (hash ^ fact).wrapping_mul(0x0100_0000_01b3))
}

/// State of the pins, as this version sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// No maps.
    Nothing,
    /// All maps, of this layout: a start would adopt them.
    Adoptable,
    /// All maps, of another version or another `fdb_size`: a start would make new ones.
    Other,
    /// Some are missing.
    Incomplete {
        /// Their names.
        missing: Vec<&'static str>,
    },
}

/// Examines the pins under `pins`.
pub fn pinned(pins: &PinDir, settings: Settings) -> Pinned {
    let dir = pins.maps();
    let missing: Vec<&'static str> =
        PINNED_MAPS.into_iter().chain(["layout"]).filter(|name| !dir.join(name).exists()).collect();
    match pinned_layout(pins) {
        _ if missing.len() > PINNED_MAPS.len() => Pinned::Nothing,
        _ if !missing.is_empty() => Pinned::Incomplete { missing },
        Some(layout) if layout == fingerprint(settings) => Pinned::Adoptable,
        _ => Pinned::Other,
    }
}

pub(super) fn pinned_layout(pins: &PinDir) -> Option<u64> {
    let dir = pins.maps();
    let complete = PINNED_MAPS.iter().all(|name| dir.join(name).exists());
    let map = Map::from_map_data(MapData::from_pin(dir.join("layout")).ok()?).ok()?;
    let layout: Array<MapData, u64> = map.try_into().ok()?;
    complete.then(|| layout.get(&0, 0).ok()).flatten()
}

fn pin_layout(dir: &std::path::Path, value: u64) -> Result<(), LoadError> {
    let path = dir.join("layout");
    let failed = |reason: String| LoadError::Pins { path: path.clone(), reason: io::Error::other(reason) };
    let mut layout = Array::<MapData, u64>::create(1, 0).map_err(|error| failed(error.to_string()))?;
    layout.set(0, value, 0).map_err(|error| failed(error.to_string()))?;
    layout.pin(&path).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings { udp_port: 4789, fdb_size: 262_144, trace: false };

    #[test]
    fn another_fdb_size_is_another_layout() {
        assert_ne!(fingerprint(SETTINGS), fingerprint(Settings { fdb_size: 262_145, ..SETTINGS }));
    }

    #[test]
    fn another_udp_port_is_the_same_layout() {
        assert_eq!(fingerprint(SETTINGS), fingerprint(Settings { udp_port: 4790, ..SETTINGS }));
    }

    proptest! {
        #[test]
        fn every_fact_counts(facts: [u64; 5], which in 0..5usize, other: u64) {
            let mut changed = facts;
            changed[which] = other;
            prop_assert_eq!(mix(&facts) == mix(&changed), facts == changed);
        }

        #[test]
        fn facts_that_change_places_count(facts: [u32; 3]) {
            prop_assume!(facts[0] != facts[1]);
            let facts = facts.map(u64::from);
            prop_assert_ne!(mix(&facts), mix(&[facts[1], facts[0], facts[2]]));
        }
    }
}
