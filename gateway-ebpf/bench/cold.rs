//! The least that anybody can do who has to know something of each station: the limit, and one look at one line of memory
//! that the station's number decides. No way to look a MAC up reads less than that.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};

use crate::{
    abi::{BEYOND, LINES},
    maps::{COLD, OUT},
};

/// Offset of the inner destination behind outer headers over IPv4.
pub(crate) const INSIDE: usize = 50;

/// Sends the frame on that has its destination at `AT`.
#[inline(always)]
pub(crate) fn send_on<const AT: usize>(ctx: &XdpContext) -> Option<u32> {
    let start = ctx.data();
    if start + AT + 6 > ctx.data_end() {
        return None;
    }
    // The number of a station is in its last three bytes.
    // SAFETY: the bound was just checked.
    let station = unsafe { ((start + AT + 2) as *const u32).read_unaligned() };
    // Neighbours in number are none in memory: the multiplication takes differences up, the shift takes them down.
    let line = (u64::from(station).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LINES.ilog2())) as u32;
    // All of it is zero, which only who has read it knows.
    let word = *COLD.get(line)?.first()?;
    OUT.redirect(BEYOND + word as u32, 0).ok().or(Some(xdp_action::XDP_ABORTED))
}
