//! Pins the measuring thread to its CPU.

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// Keeps the calling thread on one CPU until it is dropped. The thread gives way to no ordinary thread if that is
/// allowed.
#[derive(Debug)]
pub(crate) struct Pinned {
    before: CpuSet,
}

impl Pinned {
    /// Pins the calling thread to `cpu`.
    pub(crate) fn to(cpu: usize) -> Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0)).context("asking for this thread's CPUs")?;
        let mut one = CpuSet::new();
        one.set(cpu).with_context(|| format!("there is no CPU {cpu}"))?;
        sched_setaffinity(Pid::from_raw(0), &one).with_context(|| format!("moving to CPU {cpu}"))?;
        // Containers often forbid it; then the numbers are noisier, but not biased.
        let _ = schedule(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1);
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Restores the CPUs that were allowed before.
        let _ = schedule(libc::SCHED_OTHER, 0);
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

fn schedule(policy: libc::c_int, priority: libc::c_int) -> Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread, and the kernel only reads `parameters`, which lives until the call is over.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &parameters) })
        .context("setting the scheduling policy")?;
    Ok(())
}

/// Returns the CPUs that this process may use.
pub(crate) fn available() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("asking for this thread's CPUs")?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}
