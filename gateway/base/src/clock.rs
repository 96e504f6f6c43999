//! Clocks: the one that the agent shares with the data plane, and finer ones.

use std::time::Duration;

use nix::{
    errno::Errno,
    time::{ClockId, clock_getres, clock_gettime},
};

/// Moment: time since the zero of CLOCK_MONOTONIC.
pub type Time = Duration;

/// Returns CLOCK_MONOTONIC_COARSE in nanoseconds, as `bpf_ktime_get_coarse_ns` does.
pub fn coarse_ns() -> Result<u64, Errno> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// Returns CLOCK_MONOTONIC, since its zero. The coarse clock shows the same time, but lags by up to [`coarse_tick`].
///
/// # Panics
///
/// On a kernel without this clock; Linux always has it.
pub fn monotonic() -> Time {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Returns CLOCK_BOOTTIME, since its zero: CLOCK_MONOTONIC and the time for which the machine was suspended.
///
/// # Panics
///
/// On a kernel without this clock; Linux always has it.
pub fn boottime() -> Duration {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Returns CLOCK_REALTIME, since its zero. The kernel timestamps packets with it.
pub fn realtime() -> Duration {
    read(ClockId::CLOCK_REALTIME)
}

/// Returns the resolution of CLOCK_MONOTONIC_COARSE: one tick of the kernel, 1 to 10 ms.
pub fn coarse_tick() -> Result<Duration, Errno> {
    clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map(Duration::from)
}

fn read(clock: ClockId) -> Duration {
    match clock_gettime(clock) {
        Ok(time) => time.into(),
        // The call fails for an unknown clock or a bad pointer, and these are neither.
        Err(errno) => panic!("cannot read clock {clock}: {errno}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_clock_lags_by_a_tick_at_most() {
        let (before, coarse, after) = (monotonic(), Duration::from_nanos(coarse_ns().unwrap()), monotonic());
        assert!(coarse <= after, "{coarse:?} is ahead of {after:?}");
        // A virtual machine may lose ticks.
        assert!(coarse + 20 * coarse_tick().unwrap() >= before, "{coarse:?} is far behind {before:?}");
    }

    #[test]
    fn tick_is_a_time_between_clock_interrupts() {
        let tick = coarse_tick().unwrap();
        assert!((Duration::from_micros(900)..=Duration::from_millis(11)).contains(&tick), "{tick:?}");
    }
}
