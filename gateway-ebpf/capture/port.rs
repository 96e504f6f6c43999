//! Port of a frame, as an operator knows it.

use crate::stages::{frame::Frame, maps::MEMBERS};

/// Returns the index of the bond if the frame came in by an active member of one, else that of the interface.
#[inline(always)]
pub(crate) fn of<F: Frame>(frame: &F) -> u32 {
    let ifindex = frame.ifindex();
    // SAFETY: a live map value, copied at once.
    unsafe { MEMBERS.get(ifindex) }.copied().unwrap_or(ifindex)
}
