//! Leases: this node forwards for a VTEP address only while it holds the lease, whatever the agent does.

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;

use gateway_common::{step::Step, tunnel::LEASE_FOREVER};

use crate::stages::{maps::LEASES, observer::Observer};

/// Reads CLOCK_MONOTONIC_COARSE in nanoseconds: a resolution of a few milliseconds, at almost no cost.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper takes nothing and only reads the clock.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// True while lease `lease` is valid.
#[inline(always)]
pub(crate) fn is_valid(lease: u32, now: u64) -> bool {
    LEASES.get(lease).is_some_and(|until| now < *until)
}

/// Same as [`is_valid`], reported to the observer.
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
