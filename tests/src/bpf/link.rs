//! Links that attach the programs of a lab. They are pinned, so they live as long as the lab, not as long as the
//! process that made them.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use gateway_datapath::sys;

use super::syscall;
use crate::Host;

/// Program on an interface, until this is dropped.
#[derive(Debug)]
pub struct PinnedLink {
    pin: PathBuf,
}

impl Drop for PinnedLink {
    fn drop(&mut self) {
        // Only the pin holds the program there.
        let _ = fs::remove_file(&self.pin);
    }
}

impl PinnedLink {
    /// Attaches a program to `dev` of `host`.
    pub(super) fn new(program: &OwnedFd, host: &Host, dev: &str, kind: u32, flags: u32, name: &str) -> Result<Self> {
        attach(program, host, dev, kind, flags, name).map(|pin| Self { pin })
    }
}

/// Attaches a program to `dev` of `host`, for as long as the lab lives. Returns the pin of the link.
pub(super) fn attach(program: &OwnedFd, host: &Host, dev: &str, kind: u32, flags: u32, name: &str) -> Result<PathBuf> {
    let ifindex = host.ifindex(dev)?;
    let link = host
        .enter(|| Ok(sys::link_create(program.as_fd(), ifindex, kind, flags)?))
        .with_context(|| format!("attaching the program `{name}` to {dev}"))?;
    let pin = pin_of(host, dev, name);
    let pins = host.lab().pins("peers");
    fs::create_dir_all(&pins).with_context(|| format!("making {}", pins.display()))?;
    sys::pin(&link, &pin).with_context(|| format!("pinning {}", pin.display()))?;
    Ok(pin)
}

/// Returns the path of the pin of the program `name` on `dev` of `host`.
pub(super) fn pin_of(host: &Host, dev: &str, name: &str) -> PathBuf {
    host.lab().pins("peers").join(format!("{}_{dev}_{name}", host.name()))
}

/// Detaches the link that is pinned at `pin`, as `bpftool link detach` does. A holder of the link keeps one without an
/// interface.
///
/// # Errors
/// If there is none.
pub fn detach_link(pin: &Path) -> Result<()> {
    let link = sys::open(pin).with_context(|| format!("opening {}", pin.display()))?;
    let link = link.with_context(|| format!("no link is pinned at {}", pin.display()))?;
    syscall::detach(&link).with_context(|| format!("detaching {}", pin.display()))
}
