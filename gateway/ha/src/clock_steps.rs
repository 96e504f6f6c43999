//! Wakes the loop when the machine comes back from a suspension.
//!
//! Timers of CLOCK_MONOTONIC go on from where they stood, so the loop would sleep on for up to one interval. A timer of
//! CLOCK_REALTIME that is cancelled by steps of the clock (`TFD_TIMER_CANCEL_ON_SET`, timerfd_create(2)) wakes it at
//! once: the kernel sets the clock when it resumes.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::Duration,
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::io::{Interest, unix::AsyncFd};

/// A time that does not come: 2^32 seconds after 1970.
const NEVER: Duration = Duration::from_secs(1 << 32);

/// Reports steps of CLOCK_REALTIME.
#[derive(Debug)]
pub(crate) struct ClockSteps(AsyncFd<Timer>);

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl ClockSteps {
    /// Starts to watch the clock.
    ///
    /// # Errors
    /// The kernel's, for want of descriptors or memory.
    pub(crate) fn watch() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = Timer(TimerFd::new(ClockId::CLOCK_REALTIME, flags)?);
        arm(&timer)?;
        // SAFETY: the timer owns its descriptor, and returns the same one each time.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        timer.map(Self).map_err(io::Error::other)
    }

    /// Resolves when the clock has been set.
    pub(crate) async fn stepped(&self) {
        match self.0.readable().await {
            Ok(mut ready) => {
                // Setting the timer anew takes the step off the descriptor. If that fails, deadlines still wake the loop.
                let _ = arm(self.0.get_ref());
                ready.clear_ready();
            }
            Err(_) => std::future::pending().await,
        }
    }
}

fn arm(timer: &Timer) -> io::Result<()> {
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    match timer.0.set(Expiration::OneShot(TimeSpec::from_duration(NEVER)), flags) {
        // The timer is set nevertheless, and reports a step since it was set last.
        Err(nix::errno::Errno::ECANCELED) | Ok(()) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
