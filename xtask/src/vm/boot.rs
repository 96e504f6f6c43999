//! Boots a kernel in QEMU and reads the tests' result from its console.

use std::{io::Write, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::kernel::Kernel;
use crate::child::{self, Ended};

/// Time base of a VM's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time of day.
    Time,
    /// The executed instructions, each a nanosecond; and random values are the same in every run.
    Instructions,
}

/// Time limit of a VM, after which it counts as hung.
const LIMIT: Duration = Duration::from_secs(600);

/// Prefix of the line that `init.sh` prints at the end of the tests.
const MARKER: &str = "init: tests exited with ";

/// Boots `kernel` with this initramfs. Copies its console to `echo` and passes each line of it to `line`. Fails if the
/// tests or the VM fail.
pub(super) fn run(
    kernel: &Kernel,
    initramfs: &Path,
    clock: Clock,
    echo: impl Write,
    mut line: impl FnMut(&str),
) -> Result<()> {
    let mut qemu = Command::new("qemu-system-x86_64");
    let append = ["console=ttyS0 panic=-1 quiet", clock.kernel_parameters()].join(" ");
    qemu.args(["-cpu", "max", "-m", "1G"])
        .args(clock.machine())
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"])
        // The VM ends by rebooting; so does a panic.
        .arg("-no-reboot")
        .args(["-append", append.trim_end()])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs);

    let mut exit_code = None;
    let ended = child::stream(&mut qemu, LIMIT, echo, |output| {
        line(output);
        // The kernel may have printed text of its own before it on the same line.
        if let Some((_, code)) = output.split_once(MARKER) {
            exit_code = code.parse::<i32>().ok();
        }
    })?;
    let release = &kernel.release;
    match (exit_code, ended) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => bail!("the tests failed on Linux {release} (exit code {code})"),
        (None, Ended::TimedOut) => bail!("Linux {release} was not through after {} seconds", LIMIT.as_secs()),
        (None, Ended::Exited(status)) if !status.success() => bail!("QEMU failed: {status}"),
        (None, Ended::Exited(_)) => bail!("Linux {release} stopped before the tests had ended"),
    }
}

impl Clock {
    /// Returns the options of QEMU.
    fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Time => &["-accel", "tcg"],
            // The processor's time-stamp counter follows virtual time at 1 GHz. An idle VM does not wait for a timer:
            // its time jumps there.
            Self::Instructions => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=0,sleep=off",
                "-rtc",
                "base=2026-01-01,clock=vm",
                "-seed",
                "1",
            ],
        }
    }

    /// Returns the kernel parameters.
    fn kernel_parameters(self) -> &'static str {
        match self {
            Self::Time => "",
            // Mitigations depend on the processor, and QEMU chooses the processor that it emulates.
            Self::Instructions => "tsc=reliable tsc_early_khz=1000000 nokaslr mitigations=off",
        }
    }
}
