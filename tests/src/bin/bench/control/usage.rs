//! Resources of a process, from `/proc` (proc(5)).

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use lab::wait::pause;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Proportional set size: pages that several processes share count in part.
    pub(crate) proportional: u64,
    /// Peak of the resident memory.
    pub(crate) peak: u64,
}

impl Memory {
    /// Returns the growth since `before`.
    pub(crate) fn kept_over(&self, before: &Self) -> f64 {
        self.proportional as f64 - before.proportional as f64
    }
}

/// Returns the memory once the process is at rest.
pub(crate) fn memory_at_rest(pid: u32, quiet: Duration) -> Result<Memory> {
    pause(quiet);
    memory(pid)
}

/// Returns the current memory.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let proportional = kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?;
    let peak = kilobytes(&format!("/proc/{pid}/status"), "VmHWM:")?;
    Ok(Memory { proportional, peak })
}

/// Returns the CPU time of all threads of a process, to the nanosecond: the times of `stat` come in hundredths of a
/// second. Threads that have ended are not counted.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("looking for process {pid}"))? {
        let file = task?.path().join("schedstat");
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let on_cpu = text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok());
        sum += on_cpu.with_context(|| format!("reading {}: {text:?}", file.display()))?;
    }
    Ok(Duration::from_nanos(sum))
}

fn kilobytes(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(value.with_context(|| format!("no {name} in {file}"))? * 1024)
}
