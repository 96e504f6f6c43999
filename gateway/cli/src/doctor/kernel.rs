//! Evaluates the kernel.

use std::time::Duration;

use gateway_datapath::preflight::{self, Ability, OLDEST_KERNEL};

use super::{
    check::Check::{
        BpfFs, BpfJit, BpfPrograms, BpfStats, Capabilities, ClockSource, ClockTick, KernelBtf, KernelRelease,
        UnprivilegedBpf,
    },
    finding::Finding,
    probe_error::ProbeError,
};

/// Fast clock sources: read in user space, in some ten nanoseconds.
const FAST_CLOCKS: [&str; 6] =
    ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "tsc-early", "timebase"];
/// Least number of ticks in an advertisement interval, since the lease may lag by one.
const TICKS: u32 = 5;
const CAP_NET_RAW: u32 = 13;
const CAP_SYS_NICE: u32 = 23;

/// Facts about the kernel.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) release: String,
    /// Features that the programs need and the kernel lacks; `None`: not tested.
    pub(super) missing: Option<Vec<Ability>>,
    pub(super) jit: bool,
    pub(super) btf: bool,
    /// Capabilities of the running agent if there is one, else of this process.
    pub(super) capabilities: u64,
    /// True if these are the running agent's.
    pub(super) of_agent: bool,
    /// `gateway.pin_dir`, and whether it, or the nearest directory above it, is on a BPF file system.
    pub(super) pin_dir: String,
    pub(super) bpffs: bool,
    /// Result of loading the programs; `None`: not tried.
    pub(super) programs: Option<Result<(), ProbeError>>,
    /// True if the kernel supports TC links (tcx).
    pub(super) tcx: bool,
    /// `kernel.bpf_stats_enabled`.
    pub(super) stats: Option<u32>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub(super) unprivileged_disabled: Option<u32>,
    pub(super) clock_source: Option<String>,
    pub(super) tick: Option<Duration>,
    /// Shortest interval of all virtual routers; `None`: there are none.
    pub(super) interval: Option<Duration>,
}

pub(super) fn evaluate(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![release(facts), programs(facts), jit(facts), btf(facts), bpffs(facts), capabilities(facts)];
    findings.extend(stats(facts));
    findings.extend(unprivileged(facts));
    findings.extend(clock_source(facts));
    findings.extend(tick(facts));
    findings
}

fn release(facts: &Facts) -> Finding {
    let Facts { release, tcx, missing, .. } = facts;
    let links = if *tcx { "with links for TC (tcx)" } else { "TC by filters: no tcx, which came with 6.6" };
    let (major, minor) = OLDEST_KERNEL;
    let tested = preflight::version(release).is_some_and(|version| version >= OLDEST_KERNEL);
    let boot = format!("boot Linux {major}.{minor} or newer, or RHEL's of 9.2 or newer");
    match missing.as_ref().map(|missing| preflight::lacking(missing)) {
        Some(Some(lacking)) => Finding::bad(KernelRelease, format!("Linux {release} lacks {lacking}"), boot),
        None => Finding::unknown(
            KernelRelease,
            format!("whether Linux {release} has what the programs use was not asked, for lack of capabilities"),
            format!("run the doctor as root; Linux {major}.{minor} and newer have it"),
        ),
        _ if tested => Finding::ok(KernelRelease, format!("Linux {release}, {links}")),
        _ => Finding::ok(
            KernelRelease,
            format!("Linux {release} has what the programs use, {links}; they are tested on {major}.{minor} and newer"),
        ),
    }
}

fn programs(facts: &Facts) -> Finding {
    match &facts.programs {
        Some(Ok(())) => Finding::ok(BpfPrograms, "the kernel accepts all programs and maps"),
        Some(Err(reason)) => Finding::bad(
            BpfPrograms,
            format!("the kernel does not take the programs: {reason}"),
            "boot a kernel of a distribution, 6.1 or newer, with CONFIG_BPF_SYSCALL, CONFIG_XDP_SOCKETS and \
             CONFIG_NET_CLS_BPF; if it is one, report the text above",
        ),
        None => Finding::unknown(BpfPrograms, "not tried, for lack of capabilities", "run the doctor as root"),
    }
}

fn jit(facts: &Facts) -> Finding {
    if facts.jit {
        Finding::ok(BpfJit, "BPF programs are compiled")
    } else {
        Finding::warn(
            BpfJit,
            "BPF programs are interpreted",
            "`sysctl -w net.core.bpf_jit_enable=1`, and the same in /etc/sysctl.d",
        )
    }
}

fn btf(facts: &Facts) -> Finding {
    if facts.btf {
        Finding::ok(KernelBtf, "the kernel publishes its types")
    } else {
        Finding::warn(KernelBtf, "the kernel has no type information", "boot a kernel with CONFIG_DEBUG_INFO_BTF")
    }
}

fn bpffs(facts: &Facts) -> Finding {
    let dir = &facts.pin_dir;
    if facts.bpffs {
        Finding::ok(BpfFs, format!("{dir} is on a BPF file system"))
    } else {
        Finding::bad(
            BpfFs,
            format!("{dir} is not on a BPF file system"),
            "`mount -t bpf bpf /sys/fs/bpf` (the agent does so itself where it may); under `ip netns exec`, which mounts \
             another /sys, use `nsenter --net=/run/netns/NAME` instead",
        )
    }
}

fn capabilities(facts: &Facts) -> Finding {
    let has = |capability: u32| facts.capabilities & (1 << capability) != 0;
    let mut missing = preflight::missing_capabilities(facts.capabilities);
    if facts.interval.is_some() && !has(CAP_NET_RAW) {
        missing.push("CAP_NET_RAW");
    }
    let whose = if facts.of_agent { "the running agent" } else { "this process" };
    let remedy = if facts.of_agent {
        "add them to AmbientCapabilities= and CapabilityBoundingSet= of the service, and restart it"
    } else {
        "run as root; where a service is meant, give it these capabilities"
    };
    if !missing.is_empty() {
        return Finding::bad(Capabilities, format!("{whose} has no {}", missing.join(", ")), remedy);
    }
    if facts.interval.is_some() && !has(CAP_SYS_NICE) {
        return Finding::warn(Capabilities, format!("{whose} has no CAP_SYS_NICE"), remedy);
    }
    Finding::ok(Capabilities, format!("{whose} has those it needs"))
}

fn stats(facts: &Facts) -> Option<Finding> {
    Some(match facts.stats? {
        0 => Finding::ok(BpfStats, "run times of programs are not measured"),
        _ => Finding::warn(
            BpfStats,
            "the run time of every BPF program is measured",
            "`sysctl -w kernel.bpf_stats_enabled=0` when you have seen what you wanted",
        ),
    })
}

fn unprivileged(facts: &Facts) -> Option<Finding> {
    Some(match facts.unprivileged_disabled? {
        0 => Finding::warn(
            UnprivilegedBpf,
            "any user may load BPF programs",
            "`sysctl -w kernel.unprivileged_bpf_disabled=1`, and the same in /etc/sysctl.d; the gateway does not need it",
        ),
        _ => Finding::ok(UnprivilegedBpf, "only privileged users may load BPF programs"),
    })
}

fn clock_source(facts: &Facts) -> Option<Finding> {
    let source = facts.clock_source.as_ref()?;
    Some(if FAST_CLOCKS.contains(&source.as_str()) {
        Finding::ok(ClockSource, format!("time is read from {source}"))
    } else {
        Finding::warn(
            ClockSource,
            format!("time is read from {source}, which is slow"),
            "see `dmesg | grep -i clocksource` for why the kernel left the processor's own, and \
             /sys/devices/system/clocksource/clocksource0/available_clocksource for others; on a virtual machine, give it \
             its host's paravirtual clock",
        )
    })
}

fn tick(facts: &Facts) -> Option<Finding> {
    let (tick, interval) = (facts.tick?, facts.interval?);
    Some(if tick * TICKS <= interval {
        Finding::ok(ClockTick, format!("a tick is {tick:?}, the shortest interval {interval:?}"))
    } else {
        Finding::warn(
            ClockTick,
            format!("a tick is {tick:?}, and the shortest interval only {interval:?}"),
            format!(
                "set interval = {:.2} or more in [[vrrp]], or boot a kernel with a higher CONFIG_HZ",
                (tick * TICKS).as_secs_f64()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark;

    fn sound() -> Facts {
        Facts {
            release: "6.12.1".to_owned(),
            missing: Some(vec![]),
            jit: true,
            btf: true,
            capabilities: u64::MAX,
            of_agent: false,
            pin_dir: "/sys/fs/bpf/x".to_owned(),
            bpffs: true,
            programs: Some(Ok(())),
            tcx: true,
            stats: Some(0),
            unprivileged_disabled: Some(2),
            clock_source: Some("tsc".to_owned()),
            tick: Some(Duration::from_millis(4)),
            interval: Some(Duration::from_millis(100)),
        }
    }

    /// Returns check and severity of all findings that are not in order.
    fn found(facts: &Facts) -> Vec<(crate::doctor::Check, Mark)> {
        evaluate(facts).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
    }

    #[test]
    fn a_sound_kernel_is_fine() {
        assert_eq!(found(&sound()), []);
    }

    #[test]
    fn each_fault_is_found_alone() {
        let cases = [
            (Facts { missing: Some(vec![LOOP]), ..sound() }, KernelRelease, Mark::Bad),
            (Facts { missing: None, ..sound() }, KernelRelease, Mark::Unknown),
            (Facts { programs: Some(Err(ProbeError::new("no"))), ..sound() }, BpfPrograms, Mark::Bad),
            (Facts { programs: None, ..sound() }, BpfPrograms, Mark::Unknown),
            (Facts { jit: false, ..sound() }, BpfJit, Mark::Warn),
            (Facts { btf: false, ..sound() }, KernelBtf, Mark::Warn),
            (Facts { bpffs: false, ..sound() }, BpfFs, Mark::Bad),
            (Facts { capabilities: 0, ..sound() }, Capabilities, Mark::Bad),
            (Facts { capabilities: !(1 << CAP_SYS_NICE), ..sound() }, Capabilities, Mark::Warn),
            (Facts { stats: Some(1), ..sound() }, BpfStats, Mark::Warn),
            (Facts { unprivileged_disabled: Some(0), ..sound() }, UnprivilegedBpf, Mark::Warn),
            (Facts { clock_source: Some("hpet".to_owned()), ..sound() }, ClockSource, Mark::Warn),
            (Facts { interval: Some(Duration::from_millis(10)), ..sound() }, ClockTick, Mark::Warn),
        ];
        for (facts, check, mark) in cases {
            assert_eq!(found(&facts), [(check, mark)], "{facts:?}");
        }
    }

    const LOOP: Ability = Ability { name: "the helper bpf_loop", since: "5.17" };

    #[test]
    fn a_kernel_is_evaluated_by_its_features_and_not_by_its_version() {
        let facts = Facts { release: "5.14.0-427.13.1.el9_4.x86_64".to_owned(), ..sound() };
        assert_eq!(found(&facts), []);
        let facts = Facts { missing: Some(vec![LOOP]), ..facts };
        let finding = release(&facts);
        assert!(finding.what.ends_with("lacks the helper bpf_loop (Linux 5.17)"), "{finding:?}");
    }

    #[test]
    fn raw_sockets_are_needed_for_virtual_routers_only() {
        let facts = Facts { capabilities: !(1 << CAP_NET_RAW), interval: None, ..sound() };
        assert_eq!(found(&facts), []);
    }
}
