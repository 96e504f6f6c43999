//! The pinned maps by their descriptors. Pins that were removed, or lost with an unmounted file system, are made again,
//! so that the next agent finds the MACs that this one has learned.

use std::{fs, io, os::fd::OwnedFd, path::PathBuf};

use super::{
    pins::{PINNED_MAPS, PinDir},
    sys,
};

/// Pinned maps, with their paths.
#[derive(Debug, Default)]
pub struct Kept {
    maps: Vec<(PathBuf, OwnedFd)>,
}

impl Kept {
    /// Opens all maps that are pinned under `pins` and in force.
    ///
    /// # Errors
    /// The kernel can't open one.
    pub fn open(pins: &PinDir) -> io::Result<Self> {
        let mut maps = Vec::new();
        for name in PINNED_MAPS.into_iter().chain(["layout"]) {
            let path = pins.maps().join(name);
            maps.extend(sys::open(&path)?.map(|map| (path, map)));
        }
        Ok(Self { maps })
    }

    /// Restores lost pins. Returns true if there was one.
    ///
    /// # Errors
    /// The first pin that can't be made, with its path.
    pub fn pin_again(&self) -> Result<bool, (PathBuf, io::Error)> {
        let mut again = false;
        for (path, map) in &self.maps {
            if path.exists() {
                continue;
            }
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| sys::pin(map, path)).map_err(|error| (path.clone(), error))?;
            again = true;
        }
        Ok(again)
    }

    /// Returns the map of this name.
    pub fn map(&self, name: &str) -> Option<io::Result<OwnedFd>> {
        let (_, map) = self.maps.iter().find(|(path, _)| path.ends_with(name))?;
        Some(map.try_clone())
    }
}
