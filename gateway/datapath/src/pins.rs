//! Where things are pinned in the BPF file system, which does not allow dots in names (kernel/bpf/inode.c, bpf_lookup).

use std::path::{Path, PathBuf};

use super::catalogue;

/// Maps that are pinned, by the names the programs give them.
pub const PINNED_MAPS: [&str; catalogue::PINNED] = catalogue::pinned();

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
