//! Source: the kernel recycles frames of live test runs, so each frame is written again, for the next flow.

use aya_ebpf::{
    bindings::xdp_action,
    helpers::generated::{bpf_ktime_get_ns, bpf_xdp_adjust_tail},
    programs::XdpContext,
};

use crate::{
    abi::{FIRST, Field, Settings},
    maps::{HEADERS, OUT, SETTINGS, TURN},
    unaligned,
};

/// Offset of the outer IPv4 checksum; the source address follows it.
const CHECKSUM: u32 = 24;

/// Writes the first `N` bytes of headers and sends the frame.
#[inline(always)]
pub(crate) fn send<const N: usize>(ctx: &XdpContext) -> Option<u32> {
    let settings = SETTINGS.get(0)?;
    // SAFETY: this CPU's own value.
    let [flow, size] = unsafe { &mut *TURN.get_ptr_mut(0)? };
    let now = *flow;
    *flow = if now + 1 < settings.flows { now + 1 } else { 0 };
    let which = *size;
    let headers = HEADERS.get(which)?;
    if settings.sizes > 1 {
        *size = if which + 1 < settings.sizes { which + 1 } else { 0 };
        let surplus = unaligned::distance(ctx.data(), ctx.data_end()) as i32 - headers.len as i32;
        // SAFETY: the context is the one the kernel called with.
        if surplus > 0 && unsafe { bpf_xdp_adjust_tail(ctx.ctx, -surplus) } != 0 {
            return None;
        }
    }
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + N > end {
        return None;
    }
    for word in 0..N / 8 {
        // SAFETY: the bound was just checked, and `words` has LONG / 8 >= N / 8.
        unsafe { ((start + word * 8) as *mut u64).write_unaligned(*headers.words.get_unchecked(word)) };
    }
    vary(settings, now, start, end)?;
    if settings.stamp_at != 0 {
        stamp(start, end, settings.stamp_at)?;
    }
    OUT.redirect(FIRST, 0).ok().or(Some(xdp_action::XDP_ABORTED))
}

/// Writes the fields that differ from flow to flow.
#[inline(always)]
fn vary(settings: &Settings, flow: u32, start: usize, end: usize) -> Option<()> {
    let add = |field: &Field, shift: u32| -> Option<()> {
        if field.mask != 0 {
            let word = at(start, end, field.at)?;
            // SAFETY: `at` has checked the bound.
            unsafe {
                let old = u32::from_be(word.read_unaligned());
                word.write_unaligned((old + ((flow & field.mask) << shift)).to_be());
            }
        }
        Some(())
    };
    add(&settings.station, 0)?;
    add(&settings.sender, 0)?;
    add(&settings.port, 0)?;
    add(&settings.net, settings.net_shift)?;
    if settings.vtep.mask != 0 {
        add(&settings.vtep, 0)?;
        let word = at(start, end, CHECKSUM - 2)?;
        // SAFETY: `at` has checked the bound.
        unsafe {
            // RFC 1624: the checksum decreases by as much as the data grows, in one's complement.
            let old = u32::from_be(word.read_unaligned());
            let sum = (!old & 0xffff) + (flow & settings.vtep.mask);
            let sum = (sum & 0xffff) + (sum >> 16);
            word.write_unaligned(((old & 0xffff_0000) | (!sum & 0xffff)).to_be());
        }
    }
    Some(())
}

/// Returns the four bytes at offset `offset`.
#[inline(always)]
fn at(start: usize, end: usize, offset: u32) -> Option<*mut u32> {
    let word = start + (offset & 0x7f) as usize;
    (word + 4 <= end).then_some(word as *mut u32)
}

/// Writes the timestamp for the sink.
#[inline(always)]
fn stamp(start: usize, end: usize, offset: u32) -> Option<()> {
    let word = at(start, end, offset)?;
    // SAFETY: `at` has checked the bound; the helper takes nothing. The low half wraps after four seconds.
    unsafe { word.write_unaligned(bpf_ktime_get_ns() as u32) };
    Some(())
}
