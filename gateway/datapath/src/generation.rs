//! The generation of cached decisions, in memory shared with the kernel. Both sides count in one value; an update of the
//! map would write that value as a whole.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use aya::maps::{Map, MapData};
use gateway_common::flow::Generation;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

const LENGTH: NonZeroUsize = NonZeroUsize::new(size_of::<Generation>()).unwrap();

/// Map `generation`, as memory.
#[derive(Debug)]
pub(super) struct SharedGeneration {
    at: NonNull<Generation>,
    /// Open because the programs find the map by its descriptor when they are loaded.
    _map: MapData,
}

// SAFETY: the memory is only accessed by atomic operations, from any thread.
unsafe impl Send for SharedGeneration {}
// SAFETY: as above.
unsafe impl Sync for SharedGeneration {}

impl SharedGeneration {
    /// Shares the memory of `map`.
    ///
    /// # Errors
    /// If it is no array; and the error of the kernel.
    pub(super) fn of(map: Map) -> io::Result<Self> {
        let Map::Array(map) = map else { return Err(io::Error::other("no array")) };
        Self::share(map)
    }

    fn share(map: MapData) -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; it keeps the map for as long as it exists.
        let at = unsafe { mmap(None, LENGTH, access, MapFlags::MAP_SHARED, map.fd().as_fd(), 0) }?;
        Ok(Self { at: at.cast(), _map: map })
    }

    /// Increments the agent's side. A program that sees the new value also sees earlier writes to other maps.
    pub(super) fn count(&self) {
        // SAFETY: the mapping lives as long as this; the field is aligned, and all other accesses to it are atomic.
        let agent = unsafe { AtomicU32::from_ptr(&raw mut (*self.at.as_ptr()).agent) };
        agent.fetch_add(1, Ordering::Release);
    }
}

impl Drop for SharedGeneration {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, with this length, and used by nothing else.
        let _ = unsafe { munmap(self.at.cast(), LENGTH.get()) };
    }
}
