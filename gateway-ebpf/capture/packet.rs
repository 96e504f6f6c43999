//! Copies bytes of a packet, in any buffer.

use aya_ebpf::{
    bindings::xdp_md,
    helpers::generated::{bpf_skb_load_bytes, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};

use crate::stages::{frame::Frame, unaligned::hidden};

/// A packet whose bytes can be copied.
pub(crate) trait Packet: Frame {
    /// Copies the first `len` bytes to `to`; not zero on failure.
    ///
    /// # Safety
    ///
    /// `len` bytes must be writable, and the verifier must be able to prove it.
    unsafe fn load(&self, to: *mut u8, len: u32) -> i64;
}

impl Packet for XdpContext {
    #[inline(always)]
    unsafe fn load(&self, to: *mut u8, len: u32) -> i64 {
        let ctx: *mut xdp_md = self.ctx;
        // SAFETY: the context is the one the kernel called with; the caller vouches for the bytes.
        unsafe { bpf_xdp_load_bytes(ctx, 0, to.cast(), len) }
    }
}

impl Packet for TcContext {
    #[inline(always)]
    unsafe fn load(&self, to: *mut u8, len: u32) -> i64 {
        // SAFETY: the context is the one the kernel called with; the caller vouches for the bytes.
        unsafe { bpf_skb_load_bytes(self.skb.skb.cast(), 0, to.cast(), len) }
    }
}

/// Copies up to `most` bytes of the packet to `to`, which has room for `MAX`. Returns the number of bytes copied.
///
/// # Safety
///
/// `MAX` bytes must be writable at `to`.
#[inline(always)]
pub(crate) unsafe fn copy<C: Packet, const MAX: usize>(ctx: &C, to: *mut u8, most: u32) -> u32 {
    // The verifier of Linux 6.1 learns nothing from a comparison with zero, so the index of the last byte is checked,
    // not the length.
    let last = hidden(u64::from(Frame::len(ctx).min(most)).wrapping_sub(1));
    if last >= MAX as u64 {
        return 0;
    }
    let len = hidden(last) + 1;
    // SAFETY: at most `MAX` bytes, which the caller vouches for.
    if unsafe { ctx.load(to, len as u32) } == 0 { len as u32 } else { 0 }
}
