//! Counters of frames that the kernel lost after a redirect, by interface.

use bytemuck::{Pod, Zeroable};

/// Value of per-CPU map `losses`, keyed by the index of the outgoing interface. The agent creates an entry for each
/// interface that XDP may redirect to; the kernel counts in existing entries only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Loss {
    /// Frames refused by the kernel or the driver, regardless of room in the queue.
    pub refused: u64,
    /// Frames lost because the queue of the interface was full.
    pub full: u64,
    /// Error number of the last refused frame, 0 for none.
    pub error: u64,
}

impl Loss {
    /// Adds the counters of another CPU.
    pub const fn add(&mut self, other: &Self) {
        self.refused = self.refused.wrapping_add(other.refused);
        self.full = self.full.wrapping_add(other.full);
        if self.error == 0 {
            self.error = other.error;
        }
    }
}

crate::map_types!(Loss);
