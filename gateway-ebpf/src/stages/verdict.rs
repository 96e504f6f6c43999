//! Verdicts of the stages.

use gateway_common::{counters::DropReason, fdb::Target};

use crate::stages::frame::{Ether, RewriteError};

/// Verdict on a frame.
///
/// It has the size of a [`DropReason`], so that no part of a [`Decision`] is undefined. The compiler would leave the
/// old content of a register there, for example an address, and the verifier refuses to have an address moved as a
/// number.
#[repr(u32)]
pub(crate) enum Verdict {
    /// Not for the gateway: up the stack, unchanged.
    Pass,
    /// For the gateway, but out of this hook's reach: left to TC, unchanged except for trimmed bytes after the packet.
    ToTc,
    /// Ready to leave through the interface selected by [`crate::stages::frame::Frame::reserve`].
    Redirect,
    /// Flooded in its logical switch, as passed to [`crate::stages::frame::Frame::replicate`].
    Flood,
}

/// Result of a stage; the error is the drop reason.
pub(crate) type Decision = Result<Verdict, DropReason>;

/// A frame to be flooded.
#[derive(Clone, Copy)]
pub(crate) struct Flood {
    pub(crate) vni: u32,
    /// Source. The frame is not sent back to it, and not from a tunnel into another one (split horizon).
    pub(crate) from: Target,
    /// Bytes of outer headers to remove first.
    pub(crate) strip: usize,
    pub(crate) ether: Ether,
    /// Length of the inner frame, untagged.
    pub(crate) len: u32,
}

impl From<RewriteError> for DropReason {
    #[inline(always)]
    fn from(_: RewriteError) -> Self {
        Self::RewriteFailed
    }
}
