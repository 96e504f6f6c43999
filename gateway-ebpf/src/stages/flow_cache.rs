//! Flow cache: forwarding decisions about frames between two stations, cached by the CPU that made them.
//!
//! A hash map look-up costs about as much as all other work on a packet. A flow cache entry is one cache line, found by
//! two multiplications. Each CPU has its own entries, so CPUs do not contend. XDP programs do not interrupt each other
//! on a CPU, so entries need no lock.
//!
//! # Invalidation
//!
//! An entry is valid until anything changes. One number, the generation, stands for the contents of all other maps. The
//! agent increments it after it has changed a map, the kernel after a MAC has moved. Entries of an older generation are
//! ignored. An entry also expires after [`FLOW_NS`], because the slow path has to refresh the time at which a station
//! was last seen.

use core::arch::asm;

use aya_ebpf::{bindings::BPF_F_MMAPABLE, btf_maps::Array, macros::btf_map};
use gateway_common::{
    fdb::{self, Target},
    flow::FlowKey,
    limits::{FLOW_NS, FLOWS, MAX_BINDINGS, MAX_LEASES, MAX_TUNNELS},
};

use crate::stages::{clock, forward, maps::GENERATION, unaligned::load64};

/// Flow cache entries, those of a CPU one after the other. The agent sizes the map for the CPUs of the host; any other
/// CPU uses the slow path. Not part of the ABI. (Mappable only because the kernel aligns such a map to a page, so that
/// each element is one cache line.)
#[btf_map(name = "flows")]
static ENTRIES: Array<Flow, { FLOWS as usize }, { BPF_F_MMAPABLE as usize }> = Array::new();

/// A flow cache entry, one cache line long.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    key: FlowKey,
    /// Expiry time, CLOCK_MONOTONIC_COARSE nanoseconds.
    until: u64,
    /// Generation in which the decision was made.
    generation: u64,
    /// Index of the outgoing interface or of the tunnel. These fields hold a [`Target`] in less room.
    out: u32,
    /// Local: index of the binding. Remote: the VNI to send with.
    number: u32,
    vlan: u16,
    /// Index of the tunnel or binding the flow comes from, for the counters.
    from: u16,
    /// Longest inner frame, without tag; longer ones go to the slow path.
    pub(crate) max: u16,
    /// Index in map `leases` of the lease that the flow is forwarded under.
    lease: u8,
    kind: u8,
}

const _: () = assert!(size_of::<Flow>() == 64);
const _: () = assert!(MAX_LEASES <= 1 << 8 && MAX_BINDINGS <= 1 << 16 && MAX_TUNNELS <= 1 << 16);

impl Flow {
    /// Returns the target. `kind` is passed in so that a constant one need not be loaded.
    #[inline(always)]
    pub(crate) const fn to(&self, kind: u16) -> Target {
        let Self { out, number, vlan, .. } = *self;
        if kind == fdb::REMOTE { Target::remote(out, number) } else { Target::local(out, vlan, number) }
    }

    /// Returns the kind of the target.
    #[inline(always)]
    pub(crate) fn kind(&self) -> u16 {
        self.kind.into()
    }

    /// Returns the index of the tunnel or binding that the flow comes from.
    #[inline(always)]
    pub(crate) fn from(&self) -> u32 {
        self.from.into()
    }

    /// Returns the index of the lease that the flow is forwarded under.
    #[inline(always)]
    pub(crate) fn lease(&self) -> u32 {
        self.lease.into()
    }
}

#[inline(always)]
fn entry(key: &FlowKey, cpu: u32) -> Option<*mut Flow> {
    ENTRIES.get_ptr_mut(cpu * FLOWS + key.slot())
}

/// Looks `key` up among the entries of `cpu`, the current CPU. Returns valid entries only.
#[inline(always)]
pub(crate) fn lookup(key: &FlowKey, cpu: u32, now: u64) -> Option<&'static Flow> {
    // SAFETY: a live map value, which only this CPU writes, and not while this program runs.
    let flow = unsafe { &*entry(key, cpu)? };
    let valid = flow.key.macs == key.macs
        && flow.key.ends == key.ends
        && flow.key.rest == key.rest
        && flow.key.net == key.net
        && flow.key.outermost == key.outermost
        && now < flow.until
        && flow.generation == generation();
    if valid { Some(flow) } else { None }
}

/// Flow cache entry to be filled by the slow path. It takes the generation before the first map look-up: if anything
/// changes during the look-ups, the new entry is invalid from the start.
#[derive(Clone, Copy)]
pub(crate) struct PendingEntry {
    key: FlowKey,
    generation: u64,
}

impl PendingEntry {
    /// Begins an entry for a flow that the slow path is about to decide.
    #[inline(always)]
    pub(crate) fn new(key: FlowKey) -> Self {
        Self { key, generation: generation() }
    }

    /// Stores the decision: frames of the flow go to `to` under `lease`. `from` is the index of the tunnel or binding
    /// they come from.
    #[inline(always)]
    pub(crate) fn commit(&self, now: u64, lease: u32, to: &Target, from: u32) {
        if let Some(entry) = entry(&self.key, clock::cpu()) {
            let (key, generation, until) = (self.key, self.generation, now + FLOW_NS);
            let max = forward::fits_every_port().min(u16::MAX.into()) as u16;
            let number = if to.kind == fdb::REMOTE { to.vni } else { to.binding };
            let (out, vlan, kind) = (to.out, to.vlan, to.kind as u8);
            let (from, lease) = (from as u16, lease as u8);
            // SAFETY: as in `lookup`.
            unsafe { *entry = Flow { key, until, generation, out, number, vlan, from, max, lease, kind } };
        }
    }
}

/// Reads the generation: the counts of the agent and of the kernel as one number.
///
/// A plain load. The compiler keeps it before later calls of helpers, and x86-64 does not exchange it with later loads,
/// so look-ups after it see at least the maps of this generation. A processor with a weaker order does not promise that:
/// an entry may then be stale until it expires ([ADR 0013](../../../docs/adr/0013-the-flow-cache.md), Memory order).
#[inline(always)]
fn generation() -> u64 {
    // SAFETY: a live map value of eight bytes.
    GENERATION.get_ptr(0).map_or(0, |generation| unsafe { load64::<0>(generation.cast()) })
}

/// Invalidates the flow cache of every CPU. A program that sees the new value also sees earlier writes to other maps.
#[inline(always)]
pub(crate) fn invalidate() {
    if let Some(generation) = GENERATION.get_ptr_mut(0) {
        // Atomic: two CPUs may increment at once, and neither increment must be lost. The kernel orders an atomic
        // operation with other accesses only if it returns the old value. On x86-64 the two cost the same.
        // SAFETY: a live map value; the field is aligned.
        unsafe {
            let kernel = &raw mut (*generation).kernel;
            asm!(
                "{one} = atomic_fetch_add((u32 *)({at} + 0), {one})",
                at = in(reg) kernel,
                one = inout(wreg) 1_u32 => _,
                options(nostack),
            );
        }
    }
}
