//! Coarse clock for `fast_path`, read once per tick and CPU.
//!
//! A helper call costs as much as several map look-ups where returns are guarded against speculation (retpolines), and
//! the coarse clock does not change between two ticks. The verifier turns `bpf_jiffies64`, the tick counter, into a
//! single load (kernel commit 5576b991e9c1). The kernel increments the tick counter a moment before it advances the
//! coarse clock (`tick_do_update_jiffies64`). A read in between keeps the time of the previous tick. The cached time
//! therefore lags by two ticks at most, and the agent ends leases that much earlier.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::Array,
    helpers::generated::{bpf_get_smp_processor_id, bpf_jiffies64},
    macros::btf_map,
};

use crate::stages::lease;

/// Time that each CPU read last. The agent sizes the map for the CPUs of the host. Not part of the ABI. (Mappable for
/// the same reason as `flows`: each element then has a cache line of its own.)
#[btf_map(name = "clocks")]
static CLOCKS: Array<Clock, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// A time and the tick in which it was read.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Clock {
    tick: u64,
    now: u64,
}

/// Number of the CPU that runs this program.
#[inline(always)]
pub(crate) fn cpu() -> u32 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_smp_processor_id() }
}

/// Returns [`lease::now`], cached by `cpu`, the current CPU, for the rest of the tick.
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
