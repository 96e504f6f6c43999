//! The programs of the data plane compiled with an observer ([`stages::observer::Observer`]), for `vtep-gateway trace` and
//! `vtep-gateway capture`.
//!
//! They share the stages with the programs that forward, and are an object of their own, loaded on request. Without a
//! request they cost neither instructions per packet nor memory. None of them has the fast path, because a flow cache
//! entry does not hold what an observer reports.
#![no_std]
#![no_main]
// Inline assembly for BPF is not stable yet.
#![feature(asm_experimental_arch)]

use aya_ebpf::{
    bindings::{TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    btf_maps::ProgramArray,
    macros::{btf_map, classifier, xdp},
    programs::{TcContext, XdpContext},
};
use capture::CaptureObserver;
use gateway_common::counters::{DropReason, PathCounter};
use observed::{Observed, VerdictObserver};
use stages::{
    access, count, flood, member,
    observer::Observer,
    tc, uplink,
    verdict::{Decision, Verdict},
};
use trace::TraceObserver;

mod capture;
mod observed;
mod packet;
mod port;
#[path = "../src/stages/mod.rs"]
#[expect(dead_code, reason = "the fast path uses the rest")]
mod stages;
mod trace;

/// Program that continues a packet, called by tail call. An observer needs stack, so the stage and the replication,
/// which are one program in the data plane, are two here.
#[btf_map(name = "next")]
static NEXT: ProgramArray<1> = ProgramArray::new();

/// Index of the program that replicates.
const FLOOD: u32 = 0;

/// XDP on an uplink, for `vtep-gateway trace`.
#[xdp(frags)]
fn trace_xdp_uplink(ctx: XdpContext) -> u32 {
    let mut frame = Observed::<_, TraceObserver>::new(ctx);
    let decision = uplink::decide(&mut frame, None);
    xdp_action_for(&frame, decision)
}

/// XDP on an access port, for `vtep-gateway trace`. For a bond the packet comes in by an active member.
#[xdp(frags)]
fn trace_xdp_access(ctx: XdpContext) -> u32 {
    let mut frame = Observed::<_, TraceObserver>::new(ctx);
    let decision = access::decide_at(&mut frame, None, |frame| Some(port::of(frame)));
    xdp_action_for(&frame, decision)
}

/// TC ingress on an uplink, for `vtep-gateway trace`.
#[classifier]
fn trace_tc_uplink(ctx: TcContext) -> i32 {
    tc::pull(&ctx);
    let mut frame = Observed::<_, TraceObserver>::new(ctx);
    let decision = uplink::decide(&mut frame, None);
    tc_action_for(&frame, decision)
}

/// TC ingress on an access port, for `vtep-gateway trace`.
#[classifier]
fn trace_tc_access(ctx: TcContext) -> i32 {
    tc::pull(&ctx);
    let mut frame = Observed::<_, TraceObserver>::new(ctx);
    let decision = access::decide(&mut frame, None);
    tc_action_for(&frame, decision)
}

/// XDP on an uplink, for `vtep-gateway capture`.
#[xdp(frags)]
fn capt_xdp_uplink(ctx: XdpContext) -> u32 {
    CaptureObserver::begin();
    let mut frame = Observed::<_, CaptureObserver>::new(ctx);
    let decision = uplink::decide(&mut frame, None);
    xdp_action_for(&frame, decision)
}

/// XDP on an access port, for `vtep-gateway capture`.
#[xdp(frags)]
fn capt_xdp_access(ctx: XdpContext) -> u32 {
    CaptureObserver::begin();
    let mut frame = Observed::<_, CaptureObserver>::new(ctx);
    let decision = access::decide(&mut frame, None);
    xdp_action_for(&frame, decision)
}

/// XDP on the members of a bond that is an uplink, for `vtep-gateway capture`.
#[xdp(frags)]
fn capt_xdp_uplink_bond(ctx: XdpContext) -> u32 {
    if member::bond(&ctx).is_none() {
        return xdp_action::XDP_PASS;
    }
    CaptureObserver::begin();
    let mut frame = Observed::<_, CaptureObserver>::new(ctx);
    let decision = uplink::decide(&mut frame, None);
    xdp_action_for(&frame, decision)
}

/// XDP on the members of a bond that is an access port, for `vtep-gateway capture`.
#[xdp(frags)]
fn capt_xdp_access_bond(ctx: XdpContext) -> u32 {
    CaptureObserver::begin();
    let mut frame = Observed::<_, CaptureObserver>::new(ctx);
    let decision = access::decide_at(&mut frame, None, member::bond);
    xdp_action_for(&frame, decision)
}

/// TC ingress on an uplink, for `vtep-gateway capture`.
#[classifier]
fn capt_tc_uplink(ctx: TcContext) -> i32 {
    CaptureObserver::begin();
    tc::pull(&ctx);
    let mut frame = Observed::<_, CaptureObserver>::new(ctx);
    let decision = uplink::decide(&mut frame, None);
    tc_action_for(&frame, decision)
}

/// TC ingress on an access port, for `vtep-gateway capture`.
#[classifier]
fn capt_tc_access(ctx: TcContext) -> i32 {
    CaptureObserver::begin();
    tc::pull(&ctx);
    let mut frame = Observed::<_, CaptureObserver>::new(ctx);
    let decision = access::decide(&mut frame, None);
    tc_action_for(&frame, decision)
}

/// Replication, for `vtep-gateway capture`.
#[classifier]
fn capt_tc_flood(ctx: TcContext) -> i32 {
    flood_for::<CaptureObserver>(&ctx)
}

/// Replication, for `vtep-gateway trace`.
#[classifier]
fn trace_tc_flood(ctx: TcContext) -> i32 {
    flood_for::<TraceObserver>(&ctx)
}

#[inline(always)]
fn xdp_action_for<O: Observer + VerdictObserver>(frame: &Observed<XdpContext, O>, decision: Decision) -> u32 {
    O::decided(frame.context(), &decision);
    match decision {
        Ok(Verdict::Pass) => xdp_action::XDP_PASS,
        Ok(Verdict::ToTc | Verdict::Flood) => {
            count::path(PathCounter::XdpToTc);
            xdp_action::XDP_PASS
        }
        Ok(Verdict::Redirect) => xdp_action::XDP_REDIRECT,
        Err(reason) => {
            count::dropped(reason);
            xdp_action::XDP_DROP
        }
    }
}

#[inline(always)]
fn tc_action_for<O: Observer + VerdictObserver>(frame: &Observed<TcContext, O>, decision: Decision) -> i32 {
    let ctx = frame.context();
    let decision = match decision {
        Ok(Verdict::Flood) => {
            // SAFETY: the context is the one the kernel called with. The call returns only if there is no such program.
            unsafe { NEXT.tail_call(ctx, FLOOD) };
            Err(DropReason::FloodFailed)
        }
        other => other,
    };
    O::decided(ctx, &decision);
    match decision {
        Ok(Verdict::Pass) => return TC_ACT_UNSPEC,
        Ok(Verdict::Redirect) => return TC_ACT_REDIRECT,
        Ok(Verdict::Flood | Verdict::ToTc) => {}
        Err(reason) => count::dropped(reason),
    }
    TC_ACT_SHOT
}

/// Replicates the frame that was stored last.
#[inline(always)]
fn flood_for<O: Observer + VerdictObserver>(ctx: &TcContext) -> i32 {
    let decision = flood::run::<O>(ctx).map(|()| Verdict::Flood);
    O::decided(ctx, &decision);
    if let Err(reason) = decision {
        count::dropped(reason);
    }
    TC_ACT_SHOT
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
