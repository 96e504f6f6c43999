//! Counts redirected frames that the kernel lost.
//!
//! A program that returns "redirect" does not learn the outcome: the kernel or the driver may refuse the frame, or the
//! driver's queue may be full. The kernel reports this at two tracepoints, once for each frame that it refuses and once
//! for each batch that it hands to a driver. These programs count the losses of the interfaces that the agent has
//! named.

use aya_ebpf::{
    Global,
    bindings::bpf_map_type::BPF_MAP_TYPE_DEVMAP_HASH,
    btf_maps::PerCpuHashMap,
    helpers::bpf_probe_read_kernel,
    macros::{btf_map, raw_tracepoint},
    programs::RawTracePointContext,
};
use gateway_common::{counters::PathCounter, limits, loss::Loss};

use crate::stages::count;

/// Losses by outgoing interface.
#[btf_map(name = "losses")]
static LOSSES: PerCpuHashMap<u32, Loss, { limits::MAX_PORTS as usize }> = PerCpuHashMap::new();

/// Offset of the index in the kernel's `struct net_device`; the agent sets it at load time.
#[unsafe(no_mangle)]
static IFINDEX_OFFSET: Global<u32> = Global::new(0);

/// `xdp:xdp_redirect_err` (include/trace/events/xdp.h): device, program, target, error, type and number of the map, key.
#[raw_tracepoint(tracepoint = "xdp_redirect_err")]
fn redirect_refused(ctx: RawTracePointContext) -> i32 {
    let (error, map_type, key): (i32, u32, u32) = (ctx.arg(3), ctx.arg(4), ctx.arg(6));
    if map_type == BPF_MAP_TYPE_DEVMAP_HASH {
        refused(key, 1, error);
    }
    0
}

/// `xdp:xdp_devmap_xmit`: devices from and to, frames sent and lost, error.
#[raw_tracepoint(tracepoint = "xdp_devmap_xmit")]
fn redirect_sent(ctx: RawTracePointContext) -> i32 {
    let lost: i32 = ctx.arg(3);
    if lost <= 0 {
        return 0;
    }
    let (to, error): (*const u8, i32) = (ctx.arg(1), ctx.arg(4));
    // SAFETY: the helper reads memory that is readable, and returns an error otherwise.
    let ifindex = unsafe { bpf_probe_read_kernel(to.add(IFINDEX_OFFSET.load() as usize).cast::<u32>()) };
    let Ok(ifindex) = ifindex else { return 0 };
    let lost = lost.cast_unsigned().into();
    if error < 0 {
        refused(ifindex, lost, error);
    } else if let Some(loss) = LOSSES.get_ptr_mut(ifindex) {
        // SAFETY: a live map value of this CPU.
        unsafe { (*loss).full += lost };
        count::this_path_by::<{ PathCounter::RedirectFull as usize }>(lost);
    }
    0
}

#[inline(always)]
fn refused(ifindex: u32, frames: u64, error: i32) {
    let Some(loss) = LOSSES.get_ptr_mut(ifindex) else { return };
    // SAFETY: a live map value of this CPU.
    let loss = unsafe { &mut *loss };
    loss.refused += frames;
    loss.error = error.unsigned_abs().into();
    count::this_path_by::<{ PathCounter::RedirectRefused as usize }>(frames);
}
