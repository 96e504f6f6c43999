//! `cargo xtask vm`.

use std::{path::Path, process::ExitCode};

use anyhow::{Result, anyhow};

use super::{boot, initramfs, kernel};
use crate::{
    cargo, interrupt,
    setup::{self, Purpose},
    test::{PACKET_TESTS, Report, Stage, Tally},
};

/// The kernel series that are tested: the oldest supported one, and the current long-term one.
pub(crate) const SERIES: [&str; 2] = ["6.1", "6.12"];

/// Runs the packet tests on the kernels of `chosen`, or of all series if it is empty.
pub(crate) fn run(root: &Path, chosen: &[String], filter: Option<&str>) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Vm])?;
    let mut report = Report::default();
    for series in SERIES.into_iter().filter(|series| chosen.is_empty() || chosen.iter().any(|one| one == series)) {
        if interrupt::happened() {
            break;
        }
        report.add(Stage::run(&format!("packets on {series}"), |tally| run_on(root, series, filter, tally)));
    }
    Ok(report.conclude())
}

/// Runs the packet tests on the newest kernel of one series, counting them in `tally`.
pub(crate) fn run_on(root: &Path, series: &str, filter: Option<&str>, tally: &mut Tally) -> Result<()> {
    let build = ["test", "--no-run", "--test", PACKET_TESTS].into_iter().chain(cargo::HOST_PACKAGES);
    let built = cargo::executables(root, build)?;
    let tests = built.get(PACKET_TESTS).ok_or_else(|| anyhow!("cargo built no test `{PACKET_TESTS}`"))?;

    let dir = root.join("target/vm");
    let kernel = kernel::obtain(&dir.join("kernels"), series)?;
    let initramfs = initramfs::make(&dir, &kernel, tests, filter)?;
    boot::run(&kernel, &initramfs, tally)
}
