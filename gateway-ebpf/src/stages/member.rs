//! Bonds: the kernel runs the XDP program of a bond on its members, with the index of the member.
//!
//! A switch floods a frame to all members. The kernel's bond drops what it receives by a member that is not active, but
//! only after XDP. So a program that forwarded such a frame would send it twice, and would learn a station of the
//! cloud from its own frame coming back. The agent keeps the active members in map `members`. A frame that comes in by
//! any other member is left to the bond.

use gateway_common::step::Step;

use crate::stages::{frame::Frame, maps::MEMBERS, observer::Observer};

/// Returns the index of the bond if the frame came in by an active member of one.
#[inline(always)]
pub(crate) fn bond<F: Frame>(frame: &F) -> Option<u32> {
    // SAFETY: a live map value, copied at once.
    let bond = unsafe { MEMBERS.get(frame.ifindex()) }.copied();
    if bond.is_none() {
        F::Observer::step(Step::InactiveMember, [0; 4]);
    }
    bond
}
