//! The programs that look on (the object `vtep-gateway-watch`), loaded beside the data plane, onto its maps.

use std::collections::BTreeMap;

use aya::{Ebpf, EbpfLoader};

use super::{
    load::{LoadError, Settings, fingerprint, pinned_layout},
    pins::PinDir,
};

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("VTEP_GATEWAY_WATCH_BPF"));

/// Maps that decide where packets go. A trace reads them and has all others, those that are written to, to itself.
const READ: [&str; 11] = [
    "settings", "vteps", "leases", "peers", "tunnels", "segments", "learned", "flood", "bindings", "fdb", "devmap",
];

/// Why there is no looking on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Nothing is pinned.
    #[error(
        "no data plane is loaded: nothing is pinned in {}; start it with `vtep-gateway run`, or name the configuration of \
         the one that is meant with --config", .0.display()
    )]
    NothingPinned(std::path::PathBuf),
    /// The maps are not those of this program.
    #[error(
        "the maps in {} are of another version of vtep-gateway, or made for another gateway.fdb_size: use the program that \
         the agent was started from, or restart the agent", .0.display()
    )]
    OtherLayout(std::path::PathBuf),
    /// The object, or the verifier.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Loads the programs of `vtep-gateway trace`: they read the maps pinned under `pins` and write to none of them.
pub fn for_trace(pins: &PinDir, settings: Settings) -> Result<Ebpf, WatchError> {
    check(pins, settings)?;
    // Counters and the like are tried on the way, and need not be kept apart for each tunnel.
    let own = BTreeMap::from([
        ("flows", 1),
        ("binding_stats", 1),
        ("tunnel_stats", 1),
        ("snooped", 64),
        ("events", 4096),
    ]);
    load(pins, settings, &READ, &own)
}

fn check(pins: &PinDir, settings: Settings) -> Result<(), WatchError> {
    if !pins.maps().exists() {
        return Err(WatchError::NothingPinned(pins.root().to_owned()));
    }
    if pinned_layout(pins) != Some(fingerprint(settings)) {
        return Err(WatchError::OtherLayout(pins.root().to_owned()));
    }
    Ok(())
}

fn load(
    pins: &PinDir,
    settings: Settings,
    shared: &'static [&'static str],
    own: &BTreeMap<&'static str, u32>,
) -> Result<Ebpf, WatchError> {
    let mut loader = EbpfLoader::new();
    for name in shared {
        loader.map_pin_path(name, pins.maps().join(name));
    }
    for (name, size) in own {
        loader.map_max_entries(name, *size);
    }
    loader.override_global("UDP_PORT", &settings.udp_port, true);
    Ok(loader.load(OBJECT).map_err(LoadError::from)?)
}
