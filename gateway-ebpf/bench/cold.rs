//! Yardstick: forwards each frame after one read of a cache line that depends on the station. A program with state per
//! station can't read less.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};

use crate::{
    abi::{BEYOND, LINES},
    maps::{COLD, OUT},
};

/// Offset of the inner destination behind outer headers over IPv4.
pub(crate) const INSIDE: usize = 50;

/// Forwards the frame, whose inner destination is at `AT`.
#[inline(always)]
pub(crate) fn send_on<const AT: usize>(ctx: &XdpContext) -> Option<u32> {
    let start = ctx.data();
    if start + AT + 6 > ctx.data_end() {
        return None;
    }
    // The last three bytes of the MAC are the number of the station.
    // SAFETY: the bound was just checked.
    let station = unsafe { ((start + AT + 2) as *const u32).read_unaligned() };
    // Spreads neighbouring numbers over the map (multiplicative hashing).
    let line = (u64::from(station).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LINES.ilog2())) as u32;
    // The map is all zero, which the compiler can't know.
    let word = *COLD.get(line)?.first()?;
    OUT.redirect(BEYOND + word as u32, 0).ok().or(Some(xdp_action::XDP_ABORTED))
}
