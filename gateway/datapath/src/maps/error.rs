//! Errors of maps.

use aya::maps::{MapError, xdp::XdpMapError};

/// Error of opening, reading or writing a map.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// The map is missing.
    #[error("no map {0}: the data plane is not loaded, or by another version")]
    Missing(&'static str),
    /// The kernel refused.
    #[error("map {name}: {reason}")]
    Map {
        /// The map.
        name: &'static str,
        /// The error of the kernel.
        reason: MapError,
    },
    /// The kernel refused a device.
    #[error("map {name}: interface {ifindex}: {reason}")]
    Device {
        /// The map.
        name: &'static str,
        /// The interface.
        ifindex: u32,
        /// The error of the kernel.
        reason: XdpMapError,
    },
}

impl MapsError {
    /// Returns true if the map has no room for another element.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Map { reason: MapError::SyscallError(error), .. }
            if error.io_error.raw_os_error() == Some(libc::E2BIG))
    }
}

/// Adds the name of the map to an error.
pub(super) trait Named<T> {
    fn of(self, name: &'static str) -> Result<T, MapsError>;
}

impl<T> Named<T> for Result<T, MapError> {
    fn of(self, name: &'static str) -> Result<T, MapsError> {
        self.map_err(|reason| MapsError::Map { name, reason })
    }
}
