//! Yardstick: decapsulation and encapsulation in XDP without any check or look-up. No design costs less.

use aya_ebpf::{bindings::xdp_action, helpers::generated::bpf_xdp_adjust_head, programs::XdpContext};

use crate::{
    abi::{BEYOND, LEAST, LONG},
    maps::{HEADERS, OUT},
};

/// Bytes of outer headers over IPv4.
const OUTER: i32 = 50;
/// Bytes of a tag.
const TAG: i32 = 4;

/// Removes the outer headers and adds a tag.
#[inline(always)]
pub(crate) fn decapsulate(ctx: &XdpContext) -> Option<u32> {
    let start = ctx.data();
    if start + 64 > ctx.data_end() {
        return None;
    }
    // SAFETY: the bound was just checked.
    let (dst, src) = unsafe { (word(start + 50), half(start + 58)) };
    // SAFETY: the context is the one the kernel called with.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, OUTER - TAG) } != 0 {
        return None;
    }
    let start = ctx.data();
    if start + 16 > ctx.data_end() {
        return None;
    }
    // SAFETY: the bound was just checked.
    unsafe {
        (start as *mut u64).write_unaligned(dst);
        ((start + 8) as *mut u32).write_unaligned(src);
        ((start + 12) as *mut u32).write_unaligned(0x8100_0064_u32.to_be());
    }
    OUT.redirect(BEYOND, 0).ok().or(Some(xdp_action::XDP_ABORTED))
}

/// Removes the tag and adds outer headers.
#[inline(always)]
pub(crate) fn encapsulate(ctx: &XdpContext) -> Option<u32> {
    let headers = HEADERS.get(LEAST)?;
    let start = ctx.data();
    if start + 16 > ctx.data_end() {
        return None;
    }
    // SAFETY: the bound was just checked.
    let (dst, src) = unsafe { (word(start), half(start + 8)) };
    // SAFETY: the context is the one the kernel called with.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, TAG - OUTER) } != 0 {
        return None;
    }
    let start = ctx.data();
    if start + LONG > ctx.data_end() {
        return None;
    }
    // SAFETY: the bound was just checked.
    unsafe {
        for at in 0..6 {
            ((start + at * 8) as *mut u64).write_unaligned(headers.words[at]);
        }
        ((start + 48) as *mut u16).write_unaligned(headers.words[6] as u16);
        ((start + 50) as *mut u64).write_unaligned(dst);
        ((start + 58) as *mut u32).write_unaligned(src);
    }
    OUT.redirect(BEYOND, 0).ok().or(Some(xdp_action::XDP_ABORTED))
}

/// # Safety
///
/// Eight bytes from `at` must be readable.
#[inline(always)]
unsafe fn word(at: usize) -> u64 {
    // SAFETY: the caller vouches for it.
    unsafe { (at as *const u64).read_unaligned() }
}

/// # Safety
///
/// Four bytes from `at` must be readable.
#[inline(always)]
unsafe fn half(at: usize) -> u32 {
    // SAFETY: the caller vouches for it.
    unsafe { (at as *const u32).read_unaligned() }
}
