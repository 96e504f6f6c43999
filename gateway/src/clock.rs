//! The one clock the agent shares with the data plane.

use nix::{
    errno::Errno,
    time::{ClockId, clock_gettime},
};

/// CLOCK_MONOTONIC_COARSE in nanoseconds: what `bpf_ktime_get_coarse_ns` gives.
pub fn coarse_ns() -> Result<u64, Errno> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
