//! Where things are pinned in the BPF file system, which does not allow dots in names (kernel/bpf/inode.c, bpf_lookup).

use std::path::{Path, PathBuf};

/// Maps that are pinned, by the names the programs give them.
pub const PINNED_MAPS: [&str; 24] = [
    "settings",
    "generation",
    "vteps",
    "arrivals",
    "leases",
    "remote_vteps",
    "tunnels",
    "tunnel_stats",
    "strays",
    "switches",
    "learned",
    "flood",
    "bindings",
    "binding_stats",
    "budgets",
    "fdb",
    "drops",
    "paths",
    "devmap",
    "devmap_sg",
    "down",
    "path_mtu",
    "losses",
    "events",
];

/// The directory an instance pins everything under, `/sys/fs/bpf/vtep-gateway` unless configured otherwise.
#[derive(Clone, Debug)]
pub struct PinDir(PathBuf);

impl PinDir {
    /// Uses `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Holds the maps in use.
    pub fn maps(&self) -> PathBuf {
        self.0.join("maps")
    }

    /// Holds maps that are being filled and not in use yet.
    pub fn new_maps(&self) -> PathBuf {
        self.0.join("maps_new")
    }

    /// Holds the captures there are.
    pub fn captures(&self) -> PathBuf {
        self.0.join("captures")
    }

    /// Holds programs of capture number `id`.
    pub fn capture(&self, id: u32) -> PathBuf {
        self.captures().join(id.to_string())
    }

    /// Holds the links of the programs that count what is lost after a redirect.
    pub fn tracepoints(&self) -> PathBuf {
        self.0.join("tracepoints")
    }

    /// Holds the links between programs and interfaces.
    pub fn links(&self) -> PathBuf {
        self.0.join("links")
    }

    /// Names the interfaces whose clsact qdisc is the gateway's.
    pub fn qdiscs(&self) -> PathBuf {
        self.0.join("qdiscs")
    }
}
