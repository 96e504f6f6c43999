//! Writing the maps: whoever does holds a [`Change`], and when it is let go the programs decide anew about the flows that
//! they remember. So it can't be forgotten, and costs next to nothing.

use std::ops::Deref;

use gateway_common::fdb::FdbKey;

use super::{
    maps::{Maps, MapsError},
    op::Op,
};

/// The right to write the maps. Until it is dropped, frames of flows that the programs remember go as before.
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
    /// What the kernel says; [`MapsError::is_full`] where there is no room.
    pub fn write(&mut self, op: &Op) -> Result<(), MapsError> {
        self.touched = true;
        self.maps.write(op)
    }

    /// Carries out operations in their order, those on many MACs together. Gives the places of those that could not be
    /// carried out; all others are.
    pub fn write_all(&mut self, ops: &[Op]) -> Vec<(usize, MapsError)> {
        self.touched |= !ops.is_empty();
        self.maps.write_all(ops)
    }

    /// Removes a learned MAC.
    ///
    /// # Errors
    /// What the kernel says; one that is gone already is none.
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
