//! Probes the kernel: files of /proc and /sys, and the programs themselves.

use std::{fs, path::Path, str::FromStr};

use aya::EbpfLoader;
use gateway_base::clock;
use gateway_config::Config;
use gateway_datapath::{
    attach::{self, Attacher},
    load::Objects,
    preflight,
};

use crate::doctor::{kernel::Facts, probe_error::ProbeError};

/// Size of the large maps in the test, which are freed at once.
const FEW: u32 = 16;

/// Collects all facts; `agent` is the process id of the running agent.
pub(in super::super) fn probe(config: &Config, objects: Objects, agent: Option<u32>) -> Facts {
    let seen = preflight::Facts::gather().ok();
    let own = seen.as_ref().map_or(0, |seen| seen.capabilities);
    let of_agent = agent
        .and_then(|pid| preflight::effective_capabilities(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?));
    let pin_dir = &config.gateway.pin_dir;
    let nearest = pin_dir.ancestors().find(|path| path.exists()).unwrap_or(pin_dir);
    let instances = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref());
    Facts {
        release: seen.as_ref().map_or_else(String::new, |seen| seen.kernel.clone()),
        missing: seen.as_ref().and_then(|seen| seen.missing.clone()),
        jit: seen.as_ref().is_none_or(|seen| seen.jit),
        btf: seen.as_ref().is_none_or(|seen| seen.btf),
        capabilities: of_agent.unwrap_or(own),
        of_agent: of_agent.is_some(),
        pin_dir: pin_dir.display().to_string(),
        bpffs: preflight::is_bpffs(nearest),
        programs: preflight::missing_capabilities(own).is_empty().then(|| load(objects)),
        tcx: attach::has_tcx(),
        stats: number("/proc/sys/kernel/bpf_stats_enabled"),
        unprivileged_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        tick: clock::coarse_tick().ok(),
        interval: instances.map(|vrrp| vrrp.interval.duration()).min(),
    }
}

/// Creates the maps, with a small size, and lets the kernel verify the programs. All of them are freed on return.
fn load(objects: Objects) -> Result<(), ProbeError> {
    let mut loader = EbpfLoader::new();
    for map in ["fdb", "flows"] {
        loader.map_max_entries(map, FEW);
    }
    let mut ebpf = loader.load(objects.forwarding).map_err(|error| ProbeError::of(&error))?;
    Attacher::load(&mut ebpf).map_err(|error| ProbeError::of(&error))
}

/// Returns the only line of a file.
pub(in super::super) fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Returns the only number of a file.
pub(in super::super) fn number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    text(path)?.parse().ok()
}
