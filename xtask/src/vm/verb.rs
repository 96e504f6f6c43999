//! `cargo xtask vm`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, anyhow};

use super::{
    boot::{self, Clock},
    initramfs,
    kernel::{self, Flavour},
    series::{self, GATE},
};
use crate::{
    cargo, interrupt,
    setup::{self, Purpose},
    test::{PACKET_TESTS, Report, Stage, Tally},
};

/// Runs the packet tests on the kernels of `chosen`, or of the gate's series if it is empty.
pub(crate) fn run(root: &Path, chosen: &[String], filter: Option<&str>) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Vm])?;
    let mut report = Report::default();
    for series in series::chosen(chosen) {
        if interrupt::happened() {
            break;
        }
        let name = format!("packets on {series}");
        report.add(Stage::run(&name, |tally| run_on(root, series, filter, tally, io::stdout())));
    }
    Ok(report.conclude())
}

/// Obtains the kernels of the gate: several can be tested side by side then.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    GATE.iter().try_for_each(|series| kernel::obtain(&kernels(root), series, Flavour::Cloud).map(drop))
}

/// Returns the folder of unpacked kernels.
pub(crate) fn kernels(root: &Path) -> PathBuf {
    root.join("target/vm/kernels")
}

/// Runs the packet tests on the newest kernel of one series, counting them in `tally`. The console goes to `echo`.
pub(crate) fn run_on(
    root: &Path,
    series: &str,
    filter: Option<&str>,
    tally: &mut Tally,
    echo: impl Write,
) -> Result<()> {
    let filter = filter.or_else(|| series::named(series)?.only);
    let arguments = ["--test-threads=1"].into_iter().chain(filter).collect::<Vec<_>>().join(" ");
    run_target(root, PACKET_TESTS, &arguments, series, Clock::Time, echo, |line| tally.read(line)).map(drop)
}

/// Builds a test target and runs it on the newest kernel of one series, whose release is returned. Copies the console
/// to `echo`, and passes each line of it to `line`.
pub(crate) fn run_target(
    root: &Path,
    target: &str,
    arguments: &str,
    series: &str,
    clock: Clock,
    echo: impl Write,
    line: impl FnMut(&str),
) -> Result<String> {
    let build = ["test", "--no-run", "--test", target].into_iter().chain(cargo::HOST_PACKAGES);
    let built = cargo::executables(root, build)?;
    let tests = built.get(target).ok_or_else(|| anyhow!("cargo built no test `{target}`"))?;

    let dir = root.join("target/vm");
    let kernel = kernel::obtain(&kernels(root), series, Flavour::Cloud)?;
    let initramfs = initramfs::make(&dir, &kernel, tests, arguments)?;
    boot::run(&kernel, &initramfs, clock, echo, line)?;
    Ok(kernel.release)
}
