//! Who looks on while a packet is decided about.
//!
//! The stages tell of each step where they take it. To the programs that forward nobody listens ([`NoopObserver`]), and the
//! compiler leaves nothing of the telling in them; other programs are made of the same stages, with somebody who does
//! listen (the object `vtep-gateway-watch`).

use aya_ebpf::programs::TcContext;
use gateway_common::{counters::DropReason, fdb::Target, step::Step};

/// Somebody who looks on.
pub(crate) trait Observer {
    /// Nothing is to be changed and nothing to be sent: the way is only tried.
    const DRY_RUN: bool;

    /// A step is taken; its arguments as [`Step::args`] has them.
    fn step(step: Step, args: [u64; 4]);

    /// A copy for `member` is about to leave through `ifindex`.
    fn copy(ctx: &TcContext, member: &Target, ifindex: u32);

    /// There is none for `member`, for this reason.
    fn no_copy(ctx: &TcContext, member: &Target, reason: DropReason);
}

/// Nobody.
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
