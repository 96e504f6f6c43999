//! Paths of pins in the BPF file system, which does not allow dots in names (kernel/bpf/inode.c, bpf_lookup).

use std::path::{Path, PathBuf};

use super::catalogue;

/// Names of the pinned maps, which are those in the programs.
pub const PINNED_MAPS: [&str; catalogue::PINNED] = catalogue::pinned();

/// Directory of all pins of a gateway, `/sys/fs/bpf/vtep-gateway` unless configured otherwise.
#[derive(Clone, Debug)]
pub struct PinDir(PathBuf);

impl PinDir {
    /// Uses `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Returns the directory of the maps in use.
    pub fn maps(&self) -> PathBuf {
        self.0.join("maps")
    }

    /// Returns the directory of maps that are being filled and not in use yet.
    pub fn new_maps(&self) -> PathBuf {
        self.0.join("maps_new")
    }

    /// Returns the directory of the captures.
    pub fn captures(&self) -> PathBuf {
        self.0.join("captures")
    }

    /// Returns the directory of the programs of capture number `id`.
    pub fn capture(&self, id: u32) -> PathBuf {
        self.captures().join(id.to_string())
    }

    /// Returns the directory of the links of the programs that count losses after a redirect.
    pub fn tracepoints(&self) -> PathBuf {
        self.0.join("tracepoints")
    }

    /// Returns the directory of the links between programs and interfaces.
    pub fn links(&self) -> PathBuf {
        self.0.join("links")
    }

    /// Returns the directory with the names of the interfaces whose clsact qdisc is the gateway's.
    pub fn qdiscs(&self) -> PathBuf {
        self.0.join("qdiscs")
    }
}
