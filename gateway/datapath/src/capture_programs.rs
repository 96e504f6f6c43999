//! Loader of the programs of `vtep-gateway trace` and `capture` (the object `vtep-gateway-capture`), beside the data
//! plane and onto its maps.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData, MapError, ProgramArray},
    programs::{Program, SchedClassifier, Xdp},
};
use aya_obj::programs::XdpAttachType;
use gateway_netdev::nic::Role;

use super::{
    attach::Device,
    load::{LoadError, Objects, Settings, fingerprint, pinned_layout, remove_tree},
    pins::{PINNED_MAPS, PinDir},
};

/// Maps that decide where packets go. A trace reads them, and has maps of its own in place of all others, which the
/// programs write to.
const READ: [&str; 15] = [
    "settings",
    "vteps",
    "arrivals",
    "leases",
    "remote_vteps",
    "tunnels",
    "switches",
    "learned",
    "flood",
    "bindings",
    "fdb",
    "devmap",
    "devmap_sg",
    "down",
    "members",
];

/// Error of loading the programs.
#[derive(Debug, thiserror::Error)]
pub enum CaptureProgramsError {
    /// No data plane is pinned.
    #[error(
        "no data plane is loaded: nothing is pinned in {}; start it with `vtep-gateway run`, or name the configuration of \
         the one that is meant with --config", .0.display()
    )]
    NothingPinned(PathBuf),
    /// The maps do not match this program.
    #[error(
        "the maps in {} are of another version of vtep-gateway, or made for another gateway.fdb_size: use the program that \
         the agent was started from, or restart the agent", .0.display()
    )]
    OtherLayout(PathBuf),
    /// Error of the object, or of pins.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The object lacks it.
    #[error("the BPF object has no {0}: this vtep-gateway was built wrongly")]
    Missing(&'static str),
    /// A program or map was refused.
    #[error("{0}: {1}")]
    Program(String, String),
}

/// Loads the programs of `vtep-gateway trace`. They read the maps pinned under `pins` and write to none of them.
pub(crate) fn for_trace(pins: &PinDir, settings: Settings, objects: Objects) -> Result<Ebpf, CaptureProgramsError> {
    check(pins, settings)?;
    // Counters and the like are written during a trace, and need no element for each tunnel.
    let own = BTreeMap::from([
        ("flows", 1),
        ("binding_stats", 1),
        ("tunnel_stats", 1),
        ("strays", 1),
        ("budgets", 1),
        ("snooped", 64),
        ("events", 4096),
        ("captured", 4096),
    ]);
    load(pins, settings, objects, &READ, &own)
}

fn check(pins: &PinDir, settings: Settings) -> Result<(), CaptureProgramsError> {
    if !pins.maps().exists() {
        return Err(CaptureProgramsError::NothingPinned(pins.root().to_owned()));
    }
    if pinned_layout(pins) != Some(fingerprint(settings)) {
        return Err(CaptureProgramsError::OtherLayout(pins.root().to_owned()));
    }
    Ok(())
}

fn load(
    pins: &PinDir,
    settings: Settings,
    objects: Objects,
    shared: &[&'static str],
    own: &BTreeMap<&'static str, u32>,
) -> Result<Ebpf, CaptureProgramsError> {
    let mut loader = EbpfLoader::new();
    for name in shared {
        loader.map_pin_path(name, pins.maps().join(name));
    }
    for (name, size) in own {
        loader.map_max_entries(name, *size);
    }
    loader.override_global("UDP_PORT", &settings.udp_port, true);
    Ok(loader.load(objects.capture).map_err(LoadError::from)?)
}

/// Programs of a capture, by the name of the pin and the name in the object.
const CAPTURE: [(&str, &str); 7] = [
    ("xdp_uplink", "capt_xdp_uplink"),
    ("xdp_access", "capt_xdp_access"),
    ("xdp_uplink_bond", "capt_xdp_uplink_bond"),
    ("xdp_access_bond", "capt_xdp_access_bond"),
    ("tc_uplink", "capt_tc_uplink"),
    ("tc_access", "capt_tc_access"),
    (TC_FLOOD, "capt_tc_flood"),
];
const TC_FLOOD: &str = "tc_flood";
/// Map of the program that replicates after the stage, in the object and as a pin. The kernel empties it once nothing
/// refers to it.
const NEXT: &str = "next";

/// A capture that is being set up. Its programs are in the kernel and pinned; the agent opens the pins.
pub struct Capture {
    ebpf: Ebpf,
    /// The pins stay: while the programs are on interfaces, only the agent may remove them.
    dir: PathBuf,
}

/// Loads the programs of capture number `id`. Like the programs that they replace, they read and write all the maps
/// pinned under `pins`.
pub fn for_capture(
    pins: &PinDir,
    settings: Settings,
    objects: Objects,
    id: u32,
) -> Result<Capture, CaptureProgramsError> {
    check(pins, settings)?;
    let own = BTreeMap::from([("flows", 1), ("steps", 4096)]);
    let shared: Vec<&'static str> = PINNED_MAPS.to_vec();
    let mut ebpf = load(pins, settings, objects, &shared, &own)?;
    let dir = pins.capture(id);
    remove_tree(&dir)?;
    fs::create_dir_all(&dir).map_err(|reason| LoadError::Pins { path: dir.clone(), reason })?;
    if let Err(error) = pin_all(&mut ebpf, &dir) {
        remove_tree(&dir)?;
        return Err(error);
    }
    Ok(Capture { ebpf, dir })
}

fn pin_all(ebpf: &mut Ebpf, dir: &Path) -> Result<(), CaptureProgramsError> {
    let failed =
        |name: &str, error: &dyn std::error::Error| CaptureProgramsError::Program(name.to_owned(), error.to_string());
    for (pin, name) in CAPTURE {
        let program = ebpf.program_mut(name).ok_or(CaptureProgramsError::Missing(name))?;
        match program {
            Program::Xdp(xdp) => xdp.load().map_err(|error| failed(name, &error))?,
            Program::SchedClassifier(tc) => tc.load().map_err(|error| failed(name, &error))?,
            _ => return Err(CaptureProgramsError::Missing(name)),
        }
        program.pin(dir.join(pin)).map_err(|error| failed(name, &error))?;
    }
    let next = ebpf.take_map(NEXT).ok_or(CaptureProgramsError::Missing(NEXT))?;
    let mut next: ProgramArray<MapData> = next.try_into().map_err(|error| failed(NEXT, &error))?;
    let flood = SchedClassifier::from_pin(dir.join(TC_FLOOD)).map_err(|error| failed(TC_FLOOD, &error))?;
    let flood = flood.fd().map_err(|error| failed(TC_FLOOD, &error))?;
    next.set(0, flood, 0).map_err(|error| failed(NEXT, &error))?;
    next.pin(dir.join(NEXT)).map_err(|error| failed(NEXT, &error))
}

impl Capture {
    /// Takes one of its maps.
    pub fn take<T: TryFrom<Map, Error = MapError>>(&mut self, name: &'static str) -> Result<T, CaptureProgramsError> {
        let map = self.ebpf.take_map(name).ok_or(CaptureProgramsError::Missing(name))?;
        map.try_into().map_err(|error: MapError| CaptureProgramsError::Program(name.to_owned(), error.to_string()))
    }

    /// Removes the pins of a capture that the agent has refused.
    pub fn abandon(self) -> Result<(), LoadError> {
        remove_tree(&self.dir)
    }
}

/// The pinned programs of a capture, as the agent sees them.
pub struct Pinned {
    uplink: OfRole,
    access: OfRole,
}

/// The programs for interfaces of one role.
struct OfRole {
    xdp: Xdp,
    on_bond: Xdp,
    tc: SchedClassifier,
}

impl Pinned {
    /// Opens the programs of capture number `id`.
    pub fn open(pins: &PinDir, id: u32) -> Result<Self, CaptureProgramsError> {
        let dir = pins.capture(id);
        let failed = |name: &str, error: &dyn std::error::Error| {
            CaptureProgramsError::Program(name.to_owned(), error.to_string())
        };
        let xdp =
            |name: &str| Xdp::from_pin(dir.join(name), XdpAttachType::Interface).map_err(|error| failed(name, &error));
        let all = |on_nic: &str, on_bond: &str, tc: &str| {
            let classifier = SchedClassifier::from_pin(dir.join(tc)).map_err(|error| failed(tc, &error))?;
            Ok::<_, CaptureProgramsError>(OfRole { xdp: xdp(on_nic)?, on_bond: xdp(on_bond)?, tc: classifier })
        };
        Ok(Self {
            uplink: all("xdp_uplink", "xdp_uplink_bond", "tc_uplink")?,
            access: all("xdp_access", "xdp_access_bond", "tc_access")?,
        })
    }

    /// Returns the programs for an interface.
    pub fn of(&mut self, device: &Device) -> (&mut Xdp, &mut SchedClassifier) {
        let OfRole { xdp, on_bond, tc } = match device.role {
            Role::Uplink => &mut self.uplink,
            Role::Access => &mut self.access,
        };
        (if device.bond { on_bond } else { xdp }, tc)
    }
}
