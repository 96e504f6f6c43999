//! The machine of the measurement.

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cpu;

/// The machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Model of the CPU.
    pub(crate) cpu: String,
    /// CPUs that the benchmark may use.
    pub(crate) cpus: usize,
}

impl Machine {
    /// Describes this machine.
    pub(crate) fn this() -> Result<Self> {
        let release = "/proc/sys/kernel/osrelease";
        let kernel = fs::read_to_string(release).with_context(|| format!("reading {release}"))?;
        let cpus = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
        Ok(Self { kernel: kernel.trim().into(), cpu: model(&cpus), cpus: cpu::available()?.len() })
    }
}

/// Returns the model that /proc/cpuinfo reports, if any: not all architectures have one.
fn model(cpuinfo: &str) -> String {
    let named = cpuinfo.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim()));
    named.unwrap_or("unknown").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_what_stands_behind_the_colon() {
        assert_eq!(model("processor\t: 0\nmodel name\t: Fast CPU: X\n"), "Fast CPU: X");
        assert_eq!(model("processor\t: 0\n"), "unknown");
    }
}
