//! The time, for the short way: each CPU reads the clock once in each tick of the kernel's.
//!
//! A call of a helper costs as much as several look-ups where returns are guarded against speculation, and the coarse clock
//! stands still between two ticks anyhow. The verifier makes one load of `bpf_jiffies64` (kernel commit 5576b991e9c1), the
//! count of ticks. The kernel counts a tick a moment before it moves the coarse clock on (`tick_do_update_jiffies64`), so
//! who reads in between keeps the time of the tick before: what is kept lags by two ticks at most, and the agent ends leases
//! that much earlier.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::Array,
    helpers::generated::{bpf_get_smp_processor_id, bpf_jiffies64},
    macros::btf_map,
};

use crate::lease;

/// What each CPU has read last; the agent makes room for the CPUs there are. Not part of the ABI. (Mappable as `flows` is, for
/// each element to have a line of the cache.)
#[btf_map(name = "clocks")]
static CLOCKS: Array<Clock, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// A time, and the tick in which it was read.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Clock {
    tick: u64,
    now: u64,
}

/// The CPU that this program runs on.
#[inline(always)]
pub(crate) fn cpu() -> u32 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_smp_processor_id() }
}

/// [`lease::now`], or what it was when `cpu`, which is this one, asked last in this tick.
#[inline(always)]
pub(crate) fn now(cpu: u32) -> u64 {
    // SAFETY: the helper takes nothing.
    let tick = unsafe { bpf_jiffies64() };
    let Some(clock) = CLOCKS.get_ptr_mut(cpu) else { return lease::now() };
    // SAFETY: a live map value, which only this CPU uses, and not while this program runs.
    let clock = unsafe { &mut *clock };
    if clock.tick != tick {
        *clock = Clock { tick, now: lease::now() };
    }
    clock.now
}
