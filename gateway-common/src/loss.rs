//! What is lost on the way out, after a program has redirected it: the kernel's own account, by interface.

use bytemuck::{Pod, Zeroable};

/// Value of per-CPU map `losses`, keyed by the index of the interface that frames were to leave by. The agent makes an entry
/// for each interface that XDP may redirect to; the kernel counts in those only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Loss {
    /// Frames that the kernel or the driver refused, whatever room there was.
    pub refused: u64,
    /// Frames that found the interface's queue full.
    pub full: u64,
    /// Why a frame was refused last, as an error number; 0: none was.
    pub error: u64,
}

impl Loss {
    /// Adds what another CPU has counted.
    pub const fn add(&mut self, other: &Self) {
        self.refused = self.refused.wrapping_add(other.refused);
        self.full = self.full.wrapping_add(other.full);
        if self.error == 0 {
            self.error = other.error;
        }
    }
}

crate::map_types!(Loss);
