//! The data plane of vtep-gateway: XDP and TC programs for uplinks and access ports.
//!
//! The stages ([`stages::uplink`], [`stages::access`]) are written once, over [`stages::frame::Frame`], and run at both hooks. In XDP, frames
//! of flows in the flow cache take the fast path ([`fast_path`]); all others take the slow path, which is the stages.
//! The members of a bond have programs of their own, so that other interfaces do not pay for bonds ([`stages::member`]).
//! XDP forwards known unicast. It leaves BUM frames to TC, which replicates them ([`stages::flood`]). On an interface without
//! XDP the TC programs do everything.
#![no_std]
#![no_main]
// Inline assembly for BPF is not stable yet.
#![feature(asm_experimental_arch)]

use aya_ebpf::{
    bindings::{TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use fast_path::Lookup;
use gateway_common::counters::PathCounter;
use stages::{
    access, count, flood,
    frame::Frame,
    member,
    observer::NoopObserver,
    tc, uplink,
    verdict::{Decision, Verdict},
};

mod fast_path;
mod losses;
mod stages;
mod trace;

/// XDP on an uplink.
#[xdp(frags)]
fn xdp_uplink(mut ctx: XdpContext) -> u32 {
    from_uplink(&mut ctx)
}

/// XDP on the members of a bond that is an uplink.
#[xdp(frags)]
fn xdp_uplink_bond(mut ctx: XdpContext) -> u32 {
    if member::bond(&ctx).is_none() {
        return xdp_action::XDP_PASS;
    }
    from_uplink(&mut ctx)
}

#[inline(always)]
fn from_uplink(ctx: &mut XdpContext) -> u32 {
    let decision = match fast_path::from_tunnel(ctx) {
        Lookup::Hit(decision) => decision,
        Lookup::Miss(pending) => uplink::decide(ctx, Some(&pending)),
        Lookup::Bypass => uplink::decide(ctx, None),
    };
    xdp_action_for(ctx, decision)
}

/// XDP on an access port.
#[xdp(frags)]
fn xdp_access(mut ctx: XdpContext) -> u32 {
    let decision = match fast_path::from_vlan(&mut ctx) {
        Lookup::Hit(decision) => decision,
        Lookup::Miss(pending) => access::decide(&mut ctx, Some(&pending)),
        Lookup::Bypass => access::decide(&mut ctx, None),
    };
    xdp_action_for(&ctx, decision)
}

/// XDP on the members of a bond that is an access port. The flow cache has the flows of each member apart, and a member
/// that is no longer active invalidates it: what is cached came in by an active member.
#[xdp(frags)]
fn xdp_access_bond(mut ctx: XdpContext) -> u32 {
    let decision = match fast_path::from_vlan(&mut ctx) {
        Lookup::Hit(decision) => decision,
        Lookup::Miss(pending) => access::decide_at(&mut ctx, Some(&pending), member::bond),
        Lookup::Bypass => access::decide_at(&mut ctx, None, member::bond),
    };
    xdp_action_for(&ctx, decision)
}

/// TC ingress on an uplink.
#[classifier]
fn tc_uplink(mut ctx: TcContext) -> i32 {
    tc::pull(&ctx);
    let decision = uplink::decide(&mut ctx, None);
    tc_action_for(&ctx, decision)
}

/// TC ingress on an access port.
#[classifier]
fn tc_access(mut ctx: TcContext) -> i32 {
    tc::pull(&ctx);
    let decision = access::decide(&mut ctx, None);
    tc_action_for(&ctx, decision)
}

#[inline(always)]
fn xdp_action_for(ctx: &XdpContext, decision: Decision) -> u32 {
    match decision {
        Ok(Verdict::Pass) => xdp_action::XDP_PASS,
        Ok(Verdict::ToTc | Verdict::Flood) => {
            count::path(PathCounter::XdpToTc);
            xdp_action::XDP_PASS
        }
        Ok(Verdict::Redirect) => xdp_action::XDP_REDIRECT,
        Err(reason) => {
            count::dropped(reason);
            trace::dropped(ctx, ctx.ingress_ifindex() as u32, reason);
            xdp_action::XDP_DROP
        }
    }
}

#[inline(always)]
fn tc_action_for(ctx: &TcContext, decision: Decision) -> i32 {
    let dropped = match decision {
        Ok(Verdict::Pass) => return TC_ACT_UNSPEC,
        Ok(Verdict::Redirect) => return TC_ACT_REDIRECT,
        Ok(Verdict::Flood) => flood::run::<NoopObserver>(ctx),
        Ok(Verdict::ToTc) => Ok(()),
        Err(reason) => Err(reason),
    };
    if let Err(reason) = dropped {
        count::dropped(reason);
        trace::dropped(ctx, Frame::ifindex(ctx), reason);
    }
    // Copies have been sent, or there is nothing to send: the original is dropped.
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
