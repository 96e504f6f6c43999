//! A frame with an observer.

use core::marker::PhantomData;

use gateway_common::tunnel::NextHop;

use crate::{
    packet::Packet,
    stages::{
        frame::{Buffers, Ether, Frame, Reframe, RewriteError},
        header::Fill,
        observer::Observer,
        verdict::{Decision, Flood, Verdict},
    },
};

/// The frame of a context, with observer `O`.
pub(crate) struct Observed<C, O> {
    context: C,
    observer: PhantomData<O>,
}

/// Observer of the verdict.
pub(crate) trait VerdictObserver {
    /// Called with the verdict. The packet is as it leaves, or as it was when it was dropped.
    fn decided<C: Packet>(ctx: &C, decision: &Decision);
}

impl<C, O> Observed<C, O> {
    /// Wraps the context of a program run.
    #[inline(always)]
    pub(crate) const fn new(context: C) -> Self {
        Self { context, observer: PhantomData }
    }

    /// Returns the context.
    #[inline(always)]
    pub(crate) const fn context(&self) -> &C {
        &self.context
    }
}

impl<C: Frame, O: Observer> Frame for Observed<C, O> {
    type Observer = O;

    const XDP: bool = C::XDP;

    #[inline(always)]
    fn data(&self) -> usize {
        self.context.data()
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        self.context.data_end()
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        Frame::len(&self.context)
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.context.ifindex()
    }

    #[inline(always)]
    fn offloaded_tag(&self) -> Option<u16> {
        self.context.offloaded_tag()
    }

    #[inline(always)]
    fn service_tagged(&self) -> bool {
        self.context.service_tagged()
    }

    #[inline(always)]
    fn trim(&mut self, len: u32) -> Result<(), RewriteError> {
        self.context.trim(len)
    }

    #[inline(always)]
    fn segment_len(&self, ether: &Ether, len: u32) -> u32 {
        self.context.segment_len(ether, len)
    }

    #[inline(always)]
    fn exceeds_mtu(&self, ifindex: u32, len: u32) -> bool {
        self.context.exceeds_mtu(ifindex, len)
    }

    #[inline(always)]
    fn reserve(&self, ifindex: u32, buffers: Buffers) -> bool {
        self.context.reserve(ifindex, buffers)
    }

    #[inline(always)]
    fn needs_pull(&self, len: usize) -> bool {
        self.context.needs_pull(len)
    }

    #[inline(always)]
    fn replicate(&self, flood: &Flood) -> Verdict {
        self.context.replicate(flood)
    }

    #[inline(always)]
    fn reframe(&mut self, how: Reframe) -> Result<(), RewriteError> {
        self.context.reframe(how)
    }

    #[inline(always)]
    fn encapsulate(&mut self, ether: Ether, hop: &NextHop, fill: Fill) -> Result<(), RewriteError> {
        self.context.encapsulate(ether, hop, fill)
    }
}
