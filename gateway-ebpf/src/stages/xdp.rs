//! [`Frame`] for the XDP hook.

use core::mem::offset_of;

use aya_ebpf::{
    EbpfContext,
    bindings::{xdp_action, xdp_md},
    helpers::generated::{bpf_check_mtu, bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use gateway_common::{
    headers::{ETH_LEN, ETH_P_8021Q, TAG_LEN, V4_LEN, V6_LEN},
    tunnel::NextHop,
};

use crate::stages::{
    frame::{Buffers, Ether, Frame, Reframe, RewriteError},
    header::{self, Fill, V4_TAGGED, V6_TAGGED},
    maps::{DEVMAP, DEVMAP_SG},
    observer::NoopObserver,
    unaligned::{address, distance, store32, store64},
    verdict::{Flood, Verdict},
};

/// Destination and source address.
const MACS: usize = 12;

impl Frame for XdpContext {
    type Observer = NoopObserver;

    const XDP: bool = true;

    #[inline(always)]
    fn data(&self) -> usize {
        // SAFETY: the context is the one the kernel called with.
        unsafe { address::<{ offset_of!(xdp_md, data) }>(self.ctx.cast()) }
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        // SAFETY: the context is the one the kernel called with.
        unsafe { address::<{ offset_of!(xdp_md, data_end) }>(self.ctx.cast()) }
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        // SAFETY: the context is the one the kernel called with.
        unsafe { bpf_xdp_get_buff_len(self.ctx) as u32 }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn offloaded_tag(&self) -> Option<u16> {
        None
    }

    #[inline(always)]
    fn service_tagged(&self) -> bool {
        false
    }

    #[inline(always)]
    fn trim(&mut self, len: u32) -> Result<(), RewriteError> {
        let surplus = Frame::len(self).saturating_sub(len);
        // SAFETY: the context is the one the kernel called with.
        check(unsafe { bpf_xdp_adjust_tail(self.ctx, -(surplus as i32)) })
    }

    #[inline(always)]
    fn segment_len(&self, _ether: &Ether, len: u32) -> u32 {
        len
    }

    #[inline(always)]
    fn exceeds_mtu(&self, ifindex: u32, len: u32) -> bool {
        // With the length given, the helper does not look at the frame, of which it would see the first buffer only.
        let mut mtu = len - ETH_LEN as u32;
        // SAFETY: the context is the one the kernel called with, `mtu` is the helper's to write.
        unsafe { bpf_check_mtu(self.as_ptr(), ifindex, &raw mut mtu, 0, 0) > 0 }
    }

    #[inline(always)]
    fn reserve(&self, ifindex: u32, buffers: Buffers) -> bool {
        let otherwise = u64::from(xdp_action::XDP_PASS);
        // A driver without scatter-gather drops frames in several buffers (kernel/bpf/devmap.c, __xdp_enqueue).
        if buffers == Buffers::Unknown && Frame::len(self) != first_buffer(self) {
            DEVMAP_SG.redirect(ifindex, otherwise).is_ok()
        } else {
            DEVMAP.redirect(ifindex, otherwise).is_ok()
        }
    }

    #[inline(always)]
    fn needs_pull(&self, len: usize) -> bool {
        Frame::data(self) + len > Frame::data_end(self) && Frame::len(self) != first_buffer(self)
    }

    #[inline(always)]
    fn replicate(&self, _flood: &Flood) -> Verdict {
        Verdict::ToTc
    }

    #[inline(always)]
    fn reframe(&mut self, how: Reframe) -> Result<(), RewriteError> {
        let tagged = how.vlan != 0;
        let old = how.strip + MACS + how.ether.tag_bytes();
        let new = MACS + if tagged { TAG_LEN } else { 0 };
        let growth = old as i32 - new as i32;
        if growth != 0 {
            // SAFETY: the context is the one the kernel called with.
            check(unsafe { bpf_xdp_adjust_head(self.ctx, growth) })?;
        }
        let start = Frame::data(self);
        if start + MACS + TAG_LEN > Frame::data_end(self) {
            return Err(RewriteError);
        }
        // SAFETY: the bound was just checked.
        unsafe { put_macs(start as *mut u8, &how.ether) };
        if tagged {
            let tag = (u32::from(ETH_P_8021Q) << 16 | u32::from(how.vlan)).to_be();
            // SAFETY: the bound was just checked.
            unsafe { store32((start + MACS) as *mut u8, tag) };
        }
        Ok(())
    }

    #[inline(always)]
    fn encapsulate(&mut self, ether: Ether, hop: &NextHop, fill: Fill) -> Result<(), RewriteError> {
        // The length must be a constant for the copy to be a few wide stores.
        match hop.header_len as usize {
            V4_LEN => encapsulate::<V4_LEN>(self, &ether, hop, fill),
            V6_LEN => encapsulate::<V6_LEN>(self, &ether, hop, fill),
            V4_TAGGED => encapsulate::<V4_TAGGED>(self, &ether, hop, fill),
            V6_TAGGED => encapsulate::<V6_TAGGED>(self, &ether, hop, fill),
            _ => Err(RewriteError),
        }
    }
}

/// Bytes in the first buffer.
#[inline(always)]
fn first_buffer(ctx: &XdpContext) -> u32 {
    distance(Frame::data(ctx), Frame::data_end(ctx)) as u32
}

#[inline(always)]
fn encapsulate<const N: usize>(ctx: &XdpContext, ether: &Ether, hop: &NextHop, fill: Fill) -> Result<(), RewriteError> {
    let growth = N as i32 - ether.tag_bytes() as i32;
    // SAFETY: the context is the one the kernel called with.
    check(unsafe { bpf_xdp_adjust_head(ctx.ctx, -growth) })?;
    let start = Frame::data(ctx);
    if start + N + MACS > Frame::data_end(ctx) {
        return Err(RewriteError);
    }
    // SAFETY: the bound was just checked.
    unsafe {
        header::write::<N>(start as *mut u8, hop, fill);
        // Overwrites the removed tag; without one the addresses are in place already.
        if ether.tag_bytes() != 0 {
            put_macs((start + N) as *mut u8, ether);
        }
    }
    Ok(())
}

/// # Safety
///
/// Twelve bytes from `to` must be writable.
#[inline(always)]
unsafe fn put_macs(to: *mut u8, ether: &Ether) {
    // SAFETY: the caller vouches for it.
    unsafe {
        let [a, b, c, d, e, f] = ether.dst;
        let [g, h, i, j, k, l] = ether.src;
        store64(to, u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
        store32(to.add(8), u32::from_ne_bytes([i, j, k, l]));
    }
}

#[inline(always)]
const fn check(result: i64) -> Result<(), RewriteError> {
    if result == 0 { Ok(()) } else { Err(RewriteError) }
}
