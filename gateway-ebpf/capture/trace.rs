//! Observer of `vtep-gateway trace`: records each step of a packet in a dry run.

use aya_ebpf::{
    btf_maps::{PerCpuArray, RingBuf},
    helpers::generated::{bpf_ringbuf_output, bpf_ringbuf_reserve, bpf_ringbuf_submit},
    macros::btf_map,
    programs::TcContext,
};
use gateway_common::{
    counters::DropReason,
    fdb::Target,
    step::{self, COPY_BYTES, NO_TAG, Step, StepRecord},
};

use crate::{
    observed::VerdictObserver,
    packet::{self, Packet},
    stages::{
        frame::Frame,
        observer::Observer,
        verdict::{Decision, Verdict},
    },
};

/// Bytes of the ring buffer: the steps of one packet, with copies to as many members as a logical switch can have.
const STEP_BYTES: usize = 2 << 20;

/// Ring buffer of steps and copies.
#[btf_map(name = "steps")]
static STEPS: RingBuf<StepRecord, STEP_BYTES> = RingBuf::new();

/// A copy under construction.
#[repr(C)]
struct CopyRecord {
    step: StepRecord,
    bytes: [u8; COPY_BYTES],
}

/// Scratch space for one copy.
#[btf_map(name = "copy")]
static COPY: PerCpuArray<CopyRecord, 1> = PerCpuArray::new();

/// Records the steps of a packet without sending it.
pub(crate) struct TraceObserver;

impl Observer for TraceObserver {
    const DRY_RUN: bool = true;

    #[inline(always)]
    fn step(step: Step, [a, b, c, d]: [u64; 4]) {
        record(step as u32, a, b, c, d);
    }

    #[inline(always)]
    fn copy(ctx: &TcContext, member: &Target, ifindex: u32) {
        copy(ctx, member, ifindex);
    }

    #[inline(always)]
    fn no_copy(_: &TcContext, member: &Target, reason: DropReason) {
        let [place, rest] = step::place(member);
        Self::step(Step::NoCopy, [place, rest, reason as u64, 0]);
    }
}

impl VerdictObserver for TraceObserver {
    #[inline(always)]
    fn decided<C: Packet>(ctx: &C, decision: &Decision) {
        let (step, argument) = match decision {
            Ok(Verdict::Pass) => (Step::Passed, 0),
            Ok(Verdict::ToTc) => (Step::LeftToTc, 0),
            Ok(Verdict::Redirect) => (Step::Redirected, 0),
            Ok(Verdict::Flood) => (Step::Flooded, 0),
            Err(reason) => (Step::Dropped, *reason as u64),
        };
        if let Ok(Verdict::Redirect) = decision
            && let Some(tci) = ctx.offloaded_tag()
        {
            record(Step::Tag as u32, u64::from(tci & 0xfff), 0, 0, 0);
        }
        record(step as u32, argument, 0, 0, 0);
    }
}

/// Not inlined, and with nothing on the stack.
#[inline(never)]
fn record(step: u32, a: u64, b: u64, c: u64, d: u64) {
    // SAFETY: the helper takes the map and a size. It returns that many bytes, which are written before they are
    // submitted, or null.
    unsafe {
        let ring = (&raw const STEPS).cast_mut().cast();
        let record = bpf_ringbuf_reserve(ring, size_of::<StepRecord>() as u64, 0).cast::<StepRecord>();
        // Without room the last step is missing too, which shows that the trace is incomplete.
        if !record.is_null() {
            record.write(StepRecord { step, tag: NO_TAG, args: [a, b, c, d] });
            bpf_ringbuf_submit(record.cast(), 0);
        }
    }
}

#[inline(never)]
fn copy(ctx: &TcContext, member: &Target, ifindex: u32) {
    let Some(copy) = COPY.get_ptr_mut(0) else { return };
    let tag = ctx.offloaded_tag().map_or(NO_TAG, u32::from);
    let [place, rest] = step::place(member);
    let args = [place, rest, ifindex.into(), Frame::len(ctx).into()];
    // SAFETY: this CPU's own map value, used by one packet at a time; the helper copies bytes that are there.
    unsafe {
        (&raw mut (*copy).step).write(StepRecord { step: Step::Copy as u32, tag, args });
        packet::copy::<_, COPY_BYTES>(ctx, (&raw mut (*copy).bytes).cast(), COPY_BYTES as u32);
        let ring = (&raw const STEPS).cast_mut().cast();
        bpf_ringbuf_output(ring, copy.cast(), size_of::<CopyRecord>() as u64, 0);
    }
}
