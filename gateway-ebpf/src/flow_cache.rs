//! The flows of late: what was decided about frames between two stations, kept by the CPU that decided it.
//!
//! A look-up in a hash map costs about as much as all else that is done to a packet. This is one line of the CPU's cache,
//! found by two multiplications. Each CPU has lines of its own, so none waits for another; that a program is not
//! interrupted by another one of its CPU is what all of XDP relies on.
//!
//! A line holds until something changes. The agent counts up after it has changed other maps, the kernel after a MAC has
//! moved, and what was noted under an older count is not used any more. It holds for [`FLOW_NS`] at most, because a
//! station's time must be written now and then, which the long way does.

use core::arch::asm;

use aya_ebpf::{bindings::BPF_F_MMAPABLE, btf_maps::Array, macros::btf_map};
use gateway_common::{
    fdb::{self, Target},
    flow::FlowKey,
    limits::{FLOW_NS, FLOWS, MAX_BINDINGS, MAX_LEASES, MAX_TUNNELS},
};

use crate::{clock, forward, maps::GENERATION, unaligned::load64};

/// The lines, those of a CPU one after the other; the agent makes room for the CPUs there are, and others take the long
/// way. Not part of the ABI. (Mappable only because the kernel begins such a map on a page of its own, which puts each
/// element into one line of the cache.)
#[btf_map(name = "flows")]
static LINES: Array<Flow, { FLOWS as usize }, { BPF_F_MMAPABLE as usize }> = Array::new();

/// A line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    key: FlowKey,
    /// Not used from this time on, CLOCK_MONOTONIC_COARSE nanoseconds.
    until: u64,
    /// Not used under another generation.
    generation: u64,
    /// Where to, as in [`Target`], which takes more room: index of the interface or the tunnel.
    out: u32,
    /// Local: number of the binding. Remote: the VNI to send with.
    number: u32,
    vlan: u16,
    /// Number of the tunnel or the binding it comes from, for the counters.
    from: u16,
    /// Longest inner frame, without tag; the long way judges longer ones.
    pub(crate) max: u16,
    /// Index in map `leases` of the lease it forwards under.
    lease: u8,
    kind: u8,
}

const _: () = assert!(size_of::<Flow>() == 64);
const _: () = assert!(MAX_LEASES <= 1 << 8 && MAX_BINDINGS <= 1 << 16 && MAX_TUNNELS <= 1 << 16);

impl Flow {
    /// Where to; what is known of its kind need not be read.
    #[inline(always)]
    pub(crate) const fn to(&self, kind: u16) -> Target {
        let Self { out, number, vlan, .. } = *self;
        if kind == fdb::REMOTE { Target::remote(out, number) } else { Target::local(out, vlan, number) }
    }

    /// What kind of place it goes to.
    #[inline(always)]
    pub(crate) fn kind(&self) -> u16 {
        self.kind.into()
    }

    /// Number of the tunnel or the binding it comes from.
    #[inline(always)]
    pub(crate) fn from(&self) -> u32 {
        self.from.into()
    }

    /// Index in map `leases` of the lease it forwards under.
    #[inline(always)]
    pub(crate) fn lease(&self) -> u32 {
        self.lease.into()
    }
}

/// What is kept of flows.
pub(crate) trait Remembered {
    /// What was noted by `cpu`, which is this one, if it still holds.
    fn find(&self, cpu: u32, now: u64) -> Option<&'static Flow>;
}

#[inline(always)]
fn line(key: &FlowKey, cpu: u32) -> Option<*mut Flow> {
    LINES.get_ptr_mut(cpu * FLOWS + key.slot())
}

impl Remembered for FlowKey {
    #[inline(always)]
    fn find(&self, cpu: u32, now: u64) -> Option<&'static Flow> {
        // SAFETY: a live map value, which only this CPU writes, and not while this program runs.
        let flow = unsafe { &*line(self, cpu)? };
        let holds = flow.key.macs == self.macs
            && flow.key.ends == self.ends
            && flow.key.rest == self.rest
            && flow.key.net == self.net
            && flow.key.outermost == self.outermost
            && now < flow.until
            && flow.generation == generation();
        if holds { Some(flow) } else { None }
    }
}

/// The right to note what is decided about a flow, taken before it is looked up: should anything change meanwhile, the
/// note is outdated from the beginning.
#[derive(Clone, Copy)]
pub(crate) struct PendingEntry {
    key: FlowKey,
    generation: u64,
}

impl PendingEntry {
    /// For a flow that is to be looked up.
    #[inline(always)]
    pub(crate) fn new(key: FlowKey) -> Self {
        Self { key, generation: generation() }
    }

    /// Notes that the flow's frames go to `to` under `lease`; `from` is the number of the tunnel or binding they come from.
    #[inline(always)]
    pub(crate) fn commit(&self, now: u64, lease: u32, to: &Target, from: u32) {
        if let Some(line) = line(&self.key, clock::cpu()) {
            let (key, generation, until) = (self.key, self.generation, now + FLOW_NS);
            let max = forward::fits_every_port().min(u16::MAX.into()) as u16;
            let number = if to.kind == fdb::REMOTE { to.vni } else { to.binding };
            let (out, vlan, kind) = (to.out, to.vlan, to.kind as u8);
            let (from, lease) = (from as u16, lease as u8);
            // SAFETY: as above.
            unsafe { *line = Flow { key, until, generation, out, number, vlan, from, max, lease, kind } };
        }
    }
}

/// How often something has changed, on either side.
#[inline(always)]
fn generation() -> u64 {
    // SAFETY: a live map value of eight bytes.
    GENERATION.get_ptr(0).map_or(0, |generation| unsafe { load64::<0>(generation.cast()) })
}

/// Outdates whatever has been noted so far.
#[inline(always)]
pub(crate) fn invalidate() {
    if let Some(generation) = GENERATION.get_ptr_mut(0) {
        // Two CPUs may count at once, and neither count must be lost.
        // SAFETY: a live map value; the field is aligned.
        unsafe {
            let kernel = &raw mut (*generation).kernel;
            asm!("lock *(u32 *)({at} + 0) += {one}", at = in(reg) kernel, one = in(reg) 1u64, options(nostack));
        }
    }
}
