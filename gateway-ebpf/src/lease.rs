//! The lease: an address is forwarded for only while this node holds it, whatever the agent is doing.

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;

use gateway_common::{step::Step, tunnel::LEASE_FOREVER};

use crate::{maps::LEASES, observer::Observer};

/// CLOCK_MONOTONIC_COARSE in nanoseconds: a few milliseconds coarse, and next to free.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper takes nothing and only reads the clock.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// True while lease number `lease` runs.
#[inline(always)]
pub(crate) fn is_valid(lease: u32, now: u64) -> bool {
    LEASES.get(lease).is_some_and(|until| now < *until)
}

/// As [`holds`], told to who looks on.
#[inline(always)]
pub(crate) fn check<O: Observer>(lease: u32, now: u64) -> bool {
    LEASES.get(lease).is_some_and(|until| {
        let left = if *until == LEASE_FOREVER { *until } else { until.saturating_sub(now) };
        O::step(Step::Lease, [lease.into(), left, 0, 0]);
        now < *until
    })
}

/// No lease.
pub(crate) const NONE: u32 = u32::MAX;
