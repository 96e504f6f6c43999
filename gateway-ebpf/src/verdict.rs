//! What a stage decides about a frame.

use gateway_common::{counters::DropReason, fdb::Target};

use crate::frame::{Ether, RewriteError};

/// The fate of a frame. As long as a [`DropReason`], so that no part of a [`Decision`] is ever undefined: the compiler would
/// leave in a register what was there, an address perhaps, and the verifier refuses to have that moved about as a number.
#[repr(u32)]
pub(crate) enum Verdict {
    /// Not ours: up the stack, untouched.
    Pass,
    /// Ours, but out of this hook's reach: to TC, as it came, but for bytes behind the packet.
    ToTc,
    /// Ready to leave through the interface that [`crate::frame::Frame::reserve`] was told.
    Redirect,
    /// To everyone in the logical switch: what [`crate::frame::Frame::replicate`] was told last.
    Flood,
}

/// A stage's answer; the error is why the frame is dropped.
pub(crate) type Decision = Result<Verdict, DropReason>;

/// A frame to be replicated.
#[derive(Clone, Copy)]
pub(crate) struct Flood {
    pub(crate) vni: u32,
    /// Where it came from; it goes back to no such place, and from a tunnel to no other.
    pub(crate) from: Target,
    /// Outer headers to cut off first.
    pub(crate) strip: usize,
    pub(crate) ether: Ether,
    /// Bytes of the inner frame, untagged.
    pub(crate) len: u32,
}

impl From<RewriteError> for DropReason {
    #[inline(always)]
    fn from(_: RewriteError) -> Self {
        Self::RewriteFailed
    }
}
