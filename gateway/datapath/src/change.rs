//! Writing the maps. The writer holds a [`Change`]. Dropping it begins a new generation, so the programs decide
//! again about each flow. Thus the invalidation can't be forgotten, and costs next to nothing.

use std::ops::Deref;

use gateway_common::fdb::FdbKey;

use super::{
    maps::{Maps, MapsError},
    op::Op,
};

/// Permission to write the maps. Until it is dropped, frames of cached flows are handled as before.
pub struct Change<'m> {
    maps: &'m mut Maps,
    /// Something was written.
    touched: bool,
}

impl Maps {
    /// Begins to write.
    pub fn change(&mut self) -> Change<'_> {
        Change { maps: self, touched: false }
    }
}

impl Change<'_> {
    /// Carries out one operation.
    ///
    /// # Errors
    /// The error of the kernel; [`MapsError::is_full`] if there is no room.
    pub fn write(&mut self, op: &Op) -> Result<(), MapsError> {
        self.touched = true;
        self.maps.write(op)
    }

    /// Carries out operations in their order, those on many MACs as batches. Returns the positions of the operations
    /// that failed; all others are carried out.
    pub fn write_all(&mut self, ops: &[Op]) -> Vec<(usize, MapsError)> {
        self.touched |= !ops.is_empty();
        self.maps.write_all(ops)
    }

    /// Removes a learned MAC.
    ///
    /// # Errors
    /// The error of the kernel. A MAC that is already gone is no error.
    pub fn remove_mac(&mut self, key: &FdbKey) -> Result<(), MapsError> {
        self.touched = true;
        self.maps.remove_mac(key)
    }
}

impl Deref for Change<'_> {
    type Target = Maps;

    fn deref(&self) -> &Maps {
        self.maps
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if self.touched {
            self.maps.invalidate_flows();
        }
    }
}
