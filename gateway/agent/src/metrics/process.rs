//! Reads the kernel's statistics of this process (proc(5)).

use std::{fs, time::Duration};

use nix::unistd::{SysconfVar, sysconf};

/// Switch of the kernel's statistics of programs.
const BPF_STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Statistics of the process. A value that can't be read is missing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Time spent on CPUs, in user mode and in the kernel.
    pub(super) cpu: Option<Duration>,
    /// Start of the process, since the zero of the wall clock.
    pub(super) started: Option<Duration>,
    pub(super) threads: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    /// True if the kernel counts the run time of programs.
    pub(super) bpf_stats: Option<bool>,
}

impl Process {
    /// Reads the statistics.
    pub(super) fn poll() -> Self {
        let mut process = Self {
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as u64),
            max_fds: fs::read_to_string("/proc/self/limits").ok().and_then(|limits| max_fds(&limits)),
            bpf_stats: fs::read_to_string(BPF_STATS).ok().map(|text| text.trim() == "1"),
            ..Self::default()
        };
        let tick = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok());
        let boot = fs::read_to_string("/proc/stat").ok().and_then(|stat| boot(&stat));
        if let (Ok(stat), Some(tick), Some(page)) = (fs::read_to_string("/proc/self/stat"), tick, page) {
            process.stat(&stat, tick, page, boot);
        }
        process
    }

    /// Parses `/proc/self/stat`. The name of the program, in parentheses, may hold any character.
    fn stat(&mut self, stat: &str, tick: u64, page: u64, boot: Option<Duration>) {
        let Some((_, rest)) = stat.rsplit_once(')') else { return };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Fields have the numbers of proc(5). The state, field 3, is the first here.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000) / tick.max(1));
        self.cpu = field(14).zip(field(15)).map(|(user, system)| ticks(user + system));
        self.threads = field(20);
        self.started = boot.zip(field(22)).map(|(boot, since)| boot + ticks(since));
        self.virtual_bytes = field(23);
        self.resident_bytes = field(24).map(|pages| pages.saturating_mul(page));
    }
}

/// Parses the boot time of the machine from `/proc/stat`.
fn boot(stat: &str) -> Option<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok().map(Duration::from_secs)
}

/// Parses the soft limit from `/proc/self/limits`.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_does_not_confuse() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 3 0 1000 8192 2 18446744073709551615";
        let mut process = Process::default();
        process.stat(stat, 100, 4096, Some(Duration::from_secs(1_000)));
        assert_eq!(process.cpu, Some(Duration::from_secs(2)));
        assert_eq!(process.started, Some(Duration::from_secs(1_010)));
        assert_eq!((process.threads, process.virtual_bytes, process.resident_bytes), (Some(3), Some(8192), Some(8192)));
    }

    #[test]
    fn what_cannot_be_read_is_missing() {
        let mut process = Process::default();
        process.stat("7 (a) S 1", 100, 4096, None);
        assert!(process.cpu.is_none() && process.started.is_none() && process.resident_bytes.is_none());
        assert_eq!(max_fds("Max open files            unlimited            unlimited            files"), None);
    }

    #[test]
    fn this_process_is_there() {
        let process = Process::poll();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(process.open_fds.is_some_and(|fds| fds > 2) && process.threads.is_some_and(|threads| threads > 0));
        let now = gateway_base::clock::realtime();
        assert!(process.started.is_some_and(|started| started <= now && now - started < Duration::from_secs(3600)));
    }
}
