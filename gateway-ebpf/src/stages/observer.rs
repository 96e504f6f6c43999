//! Observer of the stages: called at each step that a packet takes.
//!
//! The programs that forward have no observer ([`NoopObserver`]), and the compiler removes all calls. The object
//! `vtep-gateway-capture` compiles the same stages with the observers of `vtep-gateway trace` and `vtep-gateway
//! capture`.

use aya_ebpf::programs::TcContext;
use gateway_common::{counters::DropReason, fdb::Target, step::Step};

/// Observer of the stages.
pub(crate) trait Observer {
    /// Dry run: no map is changed and no copy is sent.
    const DRY_RUN: bool;

    /// Called at each step, with arguments as described by [`Step::args`].
    fn step(step: Step, args: [u64; 4]);

    /// Called before a copy for `member` leaves through `ifindex`.
    fn copy(ctx: &TcContext, member: &Target, ifindex: u32);

    /// Called if `member` gets no copy, with the reason.
    fn no_copy(ctx: &TcContext, member: &Target, reason: DropReason);
}

/// No observer: compiles to nothing.
pub(crate) struct NoopObserver;

impl Observer for NoopObserver {
    const DRY_RUN: bool = false;

    #[inline(always)]
    fn step(_: Step, _: [u64; 4]) {}

    #[inline(always)]
    fn copy(_: &TcContext, _: &Target, _: u32) {}

    #[inline(always)]
    fn no_copy(_: &TcContext, _: &Target, _: DropReason) {}
}
