//! The pinned maps by their descriptors: pins that somebody removes, or that go with an unmounted file system, are made
//! again, so that the next agent finds what this one has learned.

use std::{fs, io, os::fd::OwnedFd, path::PathBuf};

use super::{
    pins::{PINNED_MAPS, PinDir},
    sys,
};

/// Maps that are pinned, and where.
#[derive(Debug, Default)]
pub struct Kept {
    maps: Vec<(PathBuf, OwnedFd)>,
}

impl Kept {
    /// Opens all that is pinned under `pins` and in force.
    ///
    /// # Errors
    /// The kernel does not open one.
    pub fn open(pins: &PinDir) -> io::Result<Self> {
        let mut maps = Vec::new();
        for name in PINNED_MAPS.into_iter().chain(["layout"]) {
            let path = pins.maps().join(name);
            maps.extend(sys::open(&path)?.map(|map| (path, map)));
        }
        Ok(Self { maps })
    }

    /// Pins again what is no longer pinned. True if there was something.
    ///
    /// # Errors
    /// The first one that can't be, with its path.
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

    /// The map of this name.
    pub fn map(&self, name: &str) -> Option<io::Result<OwnedFd>> {
        let (_, map) = self.maps.iter().find(|(path, _)| path.ends_with(name))?;
        Some(map.try_clone())
    }
}
