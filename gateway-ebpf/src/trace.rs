//! Telling of single packets, for an operator who is looking for one.
//!
//! Off unless the agent is started with its log at trace level: the level is a constant of the loaded program, and the
//! verifier takes code behind a false constant out. Counters and events are what serves day to day; what an attacker can
//! make the gateway log, line by line, must be asked for.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::trace;
use gateway_common::counters::DropReason;

/// A packet that came in by `ifindex` was dropped for `reason`.
#[inline(never)]
pub(crate) fn dropped<C: EbpfContext>(ctx: &C, ifindex: u32, reason: DropReason) {
    trace!(ctx, "dropped: interface {}, reason {}", ifindex, reason as u32);
}
