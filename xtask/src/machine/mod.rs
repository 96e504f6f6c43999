//! Runs the gateway on whole servers in QEMU: a Debian with systemd, the package, and stock kernels with all their
//! drivers.
//!
//! [`kernel`] makes what a server boots from: kernel, initramfs and a disk of modules. [`verb`] builds these, the package
//! and the runner, which makes the root file system and runs the scenarios (`lab::machine` in `tests/`).

mod kernel;
mod verb;

pub(crate) use verb::{STAGE, run, stage};
