//! Programs of the benchmark: a source that the kernel runs on live frames (`BPF_F_TEST_XDP_LIVE_FRAMES`), a sink that
//! checks and counts what arrives, and between them yardsticks, the minimal programs that forward a frame. `abi` has
//! the types shared with the benchmark.
#![no_std]
#![no_main]
// Inline assembly for BPF is not stable yet.
#![feature(asm_experimental_arch)]

use aya_ebpf::{
    bindings::{TC_ACT_OK, TC_ACT_SHOT, xdp_action},
    helpers::generated::bpf_redirect,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

#[allow(dead_code, reason = "the benchmark uses more of it")]
mod abi;
mod cold;
mod least;
mod maps;
mod sink;
mod source;
#[path = "../src/stages/unaligned.rs"]
#[expect(dead_code, reason = "the gateway's own programs use more of it")]
mod unaligned;

use maps::{OUT, SETTINGS};

/// Source of plain frames: writes Ethernet, one tag and the headers above.
#[xdp]
fn source_short(ctx: XdpContext) -> u32 {
    source::send::<{ abi::SHORT }>(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Source of tunnelled frames: writes outer and inner headers.
#[xdp]
fn source_long(ctx: XdpContext) -> u32 {
    source::send::<{ abi::LONG }>(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Sink for frames.
#[xdp]
fn sink_xdp(ctx: XdpContext) -> u32 {
    sink::take(ctx.data(), ctx.data_end());
    xdp_action::XDP_DROP
}

/// Sink for frames from the kernel's stack.
#[classifier]
fn sink_tc(ctx: TcContext) -> i32 {
    sink::take_from_stack(&ctx);
    TC_ACT_SHOT
}

/// Yardstick at XDP: forwards each frame unchanged.
#[xdp]
fn limit_xdp(_ctx: XdpContext) -> u32 {
    OUT.redirect(abi::BEYOND, 0).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Yardstick for decapsulation.
#[xdp]
fn least_decap(ctx: XdpContext) -> u32 {
    least::decapsulate(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Yardstick for encapsulation.
#[xdp]
fn least_encap(ctx: XdpContext) -> u32 {
    least::encapsulate(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Yardstick with one read of a large table, decapsulation.
#[xdp]
fn cold_decap(ctx: XdpContext) -> u32 {
    cold::send_on::<{ cold::INSIDE }>(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Yardstick with one read of a large table, encapsulation.
#[xdp]
fn cold_encap(ctx: XdpContext) -> u32 {
    cold::send_on::<0>(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Yardstick at TC: forwards each frame unchanged.
#[classifier]
fn limit_tc(_ctx: TcContext) -> i32 {
    let Some(settings) = SETTINGS.get(0) else { return TC_ACT_SHOT };
    // SAFETY: the helper takes two numbers.
    unsafe { bpf_redirect(settings.beyond, 0) as i32 }
}

/// Hands frames to the stack.
#[xdp]
fn pass(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Hands packets to the stack.
#[classifier]
fn pass_tc(_ctx: TcContext) -> i32 {
    TC_ACT_OK
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
