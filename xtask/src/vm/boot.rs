//! Boots a kernel in QEMU and reads the tests' result off its console.

use std::{io::Write, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::kernel::Kernel;
use crate::child::{self, Ended};

/// What a VM's clock follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time of day.
    Time,
    /// The instructions it executes, each a nanosecond; and what is random elsewhere is the same at every run.
    Instructions,
}

/// A VM that is not through by then hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// What `init.sh` says when the tests have ended.
const MARKER: &str = "init: tests exited with ";

/// Boots `kernel` with this initramfs, passes its console on to `echo` and gives `line` each line of it. Fails if the
/// tests do or the VM does.
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
    let ended = child::stream(&mut qemu, LIMIT, echo, |said| {
        line(said);
        // The kernel may have put something of its own on the line before it.
        if let Some((_, code)) = said.split_once(MARKER) {
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
    /// How QEMU makes it.
    fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Time => &["-accel", "tcg"],
            // The processor's time-stamp counter follows virtual time at 1 GHz. A VM with nothing to do does not wait for
            // a timer: its time jumps there.
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

    /// What the kernel has to know.
    fn kernel_parameters(self) -> &'static str {
        match self {
            Self::Time => "",
            // Mitigations are for some processors and not for others, and which one QEMU plays is QEMU's matter.
            Self::Instructions => "tsc=reliable tsc_early_khz=1000000 nokaslr mitigations=off",
        }
    }
}
