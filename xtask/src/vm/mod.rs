//! Runs tests on other kernels than the machine's own, in QEMU: the packet tests, and those that count instructions.
//!
//! [`series`] is the table of kernels. A [`kernel`] comes from a Debian [`package`] that is unpacked, not installed;
//! [`archive`] is where apt finds it. The [`initramfs`] holds busybox, the same test binary that runs on the host (with
//! its libraries), the modules that it needs, and an `init` that runs it and powers off; [`cpio`] is its format.
//! [`boot`] starts QEMU, watches the console, and reads the result from it. No KVM is needed: the whole run takes
//! seconds even on an emulated processor. [`verb`] is `cargo xtask vm`.

mod archive;
mod boot;
mod cpio;
pub(crate) mod initramfs;
pub(crate) mod kernel;
mod package;
mod series;
mod verb;

pub(crate) use boot::Clock;
pub(crate) use series::{GATE, names};
pub(crate) use verb::{kernels, prepare, run, run_on, run_target};
