//! Traces single dropped packets to the log.
//!
//! Off unless the agent is started with log level trace: the level is a constant of the loaded program, and the
//! verifier removes code behind a constant that is false. Counters and events are for daily use. Log lines per packet,
//! which an attacker can cause at will, have to be enabled explicitly.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::trace;
use gateway_common::counters::DropReason;

/// Logs that a packet from interface `ifindex` was dropped for `reason`.
#[inline(never)]
pub(crate) fn dropped<C: EbpfContext>(ctx: &C, ifindex: u32, reason: DropReason) {
    trace!(ctx, "dropped: interface {}, reason {}", ifindex, reason as u32);
}
