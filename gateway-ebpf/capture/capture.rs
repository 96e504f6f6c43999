//! Observer of `vtep-gateway capture`: copies packets as they leave, and as they are when dropped.
//!
//! These programs replace the ones that forward while a capture runs. Their extra work is bounded: a packet that does
//! not match the filter costs a few comparisons, and the rate of copies is limited.

use aya_ebpf::{
    btf_maps::{Array, PerCpuArray, RingBuf},
    helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output},
    macros::btf_map,
    programs::TcContext,
};
use gateway_common::{
    capture::{CAPTURE_BYTES, FORWARDED, Filter, Head, RING_BYTES, Tally},
    counters::DropReason,
    fdb::Target,
    step::{NO_TAG, Step},
};

use crate::{
    observed::VerdictObserver,
    packet::{self, Packet},
    port,
    stages::{
        lease,
        observer::Observer,
        unaligned::hidden,
        verdict::{Decision, Verdict},
    },
};

/// The filter.
#[btf_map(name = "capture")]
static FILTER: Array<Filter, 1> = Array::new();

/// Counters of the packets that matched the filter.
#[btf_map(name = "captures")]
static TALLY: PerCpuArray<Tally, 1> = PerCpuArray::new();

/// Ring buffer of the copies.
#[btf_map(name = "captured")]
static RING: RingBuf<Head, { RING_BYTES as usize }> = RingBuf::new();

/// Facts about the packet that this CPU is working on.
struct Sight {
    src: u64,
    dst: u64,
    vni: u32,
    out: u32,
    /// Not used. Without this field the compiler transforms the tag of a frame in a way that the verifier refuses.
    vlan: u64,
    ethertype: u64,
}

#[btf_map(name = "sight")]
static SIGHT: PerCpuArray<Sight, 1> = PerCpuArray::new();

/// A copy under construction.
#[repr(C)]
struct Record {
    head: Head,
    bytes: [u8; CAPTURE_BYTES],
}

#[btf_map(name = "record")]
static RECORD: PerCpuArray<Record, 1> = PerCpuArray::new();

const SECOND: u64 = 1_000_000_000;

/// Copies the packets that match the filter.
pub(crate) struct CaptureObserver;

impl CaptureObserver {
    /// Resets the facts for a new packet.
    #[inline(always)]
    pub(crate) fn begin() {
        if let Some(sight) = SIGHT.get_ptr_mut(0) {
            // SAFETY: this CPU's own map value.
            unsafe { sight.write(Sight { src: 0, dst: 0, vni: 0, out: 0, vlan: 0, ethertype: 0 }) };
        }
    }
}

impl Observer for CaptureObserver {
    const DRY_RUN: bool = false;

    #[inline(always)]
    fn step(step: Step, [first, second, third, fourth]: [u64; 4]) {
        if !matches!(step, Step::Frame | Step::Binding | Step::Inner | Step::Out) {
            return;
        }
        let Some(sight) = SIGHT.get_ptr_mut(0) else { return };
        // SAFETY: this CPU's own map value.
        let sight = unsafe { &mut *sight };
        match step {
            Step::Frame => {
                (sight.src, sight.dst) = (first, second);
                (sight.vlan, sight.ethertype) = (third, fourth);
            }
            Step::Out => sight.out = first as u32,
            _ => sight.vni = first as u32,
        }
    }

    #[inline(always)]
    fn copy(ctx: &TcContext, _: &Target, ifindex: u32) {
        take(ctx, FORWARDED, ifindex);
    }

    #[inline(always)]
    fn no_copy(ctx: &TcContext, _: &Target, reason: DropReason) {
        take(ctx, reason as u32, 0);
    }
}

impl VerdictObserver for CaptureObserver {
    #[inline(always)]
    fn decided<C: Packet>(ctx: &C, decision: &Decision) {
        match decision {
            Ok(Verdict::Redirect) => {
                // SAFETY: this CPU's own map value.
                let out = SIGHT.get_ptr(0).map_or(0, |sight| unsafe { (*sight).out });
                take(ctx, FORWARDED, out);
            }
            Err(reason) => take(ctx, *reason as u32, 0),
            // Not for the gateway, or not decided yet; copies of a flooded frame were taken one by one.
            Ok(Verdict::Pass | Verdict::ToTc | Verdict::Flood) => {}
        }
    }
}

/// Copies the packet if it matches the filter.
#[inline(never)]
fn take<C: Packet>(ctx: &C, reason: u32, leaves: u32) {
    let (Some(filter), Some(sight)) = (FILTER.get(0), SIGHT.get_ptr(0)) else { return };
    // SAFETY: this CPU's own map value, which is not written meanwhile.
    let sight = unsafe { &*sight };
    let now = lease::now();
    let came_in = port::of(ctx);
    let of_kind = if reason == FORWARDED { filter.forwarded != 0 } else { filter.reasons >> (reason & 31) & 1 != 0 };
    let wanted = now < filter.until
        && of_kind
        && (filter.ifindex == 0 || filter.ifindex == came_in || filter.ifindex == leaves)
        && (filter.vni == 0 || filter.vni == sight.vni)
        && (filter.mac == 0 || filter.mac == sight.src || filter.mac == sight.dst);
    if wanted && admit(filter, now) {
        record(ctx, reason, came_in, leaves, sight.vni);
    }
}

/// Counts a packet that matches the filter; true if it is to be copied.
#[inline(always)]
fn admit(filter: &Filter, now: u64) -> bool {
    let Some(tally) = TALLY.get_ptr_mut(0) else { return false };
    // SAFETY: this CPU's own map value.
    let tally = unsafe { &mut *tally };
    tally.wanted += 1;
    if filter.sample > 1 && tally.wanted % u64::from(filter.sample) != 0 {
        tally.sampled_out += 1;
        return false;
    }
    if now.wrapping_sub(tally.since) >= SECOND {
        (tally.since, tally.taken) = (now, 0);
    }
    if tally.taken >= u64::from(filter.rate) {
        tally.over_rate += 1;
        return false;
    }
    tally.taken += 1;
    true
}

/// Inlined into [`take`]: the verifier of Linux 6.1 rounds the stack of each function up to 32 bytes, and there is no
/// room for that.
#[inline(always)]
fn record<C: Packet>(ctx: &C, reason: u32, came_in: u32, leaves: u32, vni: u32) {
    let (Some(filter), Some(record)) = (FILTER.get(0), RECORD.get_ptr_mut(0)) else { return };
    let tag = ctx.offloaded_tag().map_or(NO_TAG, u32::from);
    // SAFETY: this CPU's own map value, used by one packet at a time; the helpers write and read no further than it goes.
    let lost = unsafe {
        let captured = packet::copy::<C, CAPTURE_BYTES>(ctx, (&raw mut (*record).bytes).cast(), filter.snaplen);
        let (at, len) = (bpf_ktime_get_ns(), ctx.len());
        (&raw mut (*record).head).write(Head { at, reason, came_in, leaves, vni, len, captured, tag, reserved: 0 });
        let size = hidden(u64::from(captured));
        if size > CAPTURE_BYTES as u64 {
            return;
        }
        let ring = (&raw const RING).cast_mut().cast();
        bpf_ringbuf_output(ring, record.cast(), size_of::<Head>() as u64 + size, 0)
    };
    if lost != 0
        && let Some(tally) = TALLY.get_ptr_mut(0)
    {
        // SAFETY: this CPU's own map value.
        unsafe { (*tally).lost += 1 };
    }
}
