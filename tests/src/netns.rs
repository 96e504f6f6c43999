//! Entering a network namespace from Rust: sockets and sysctls belong to the namespace of the thread that opens them.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

/// Returns the path at which `ip netns` keeps the namespace `name`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

/// Runs `work` on a thread of its own inside the namespace `name`. The thread ends afterwards, so no thread of the
/// caller stays in a foreign namespace.
///
/// # Errors
/// If there is no such namespace, or entering it is not allowed; and the error of `work`.
pub fn enter<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = path(name);
    let namespace = File::open(&path).with_context(|| format!("opening the namespace {}", path.display()))?;
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                setns(&namespace, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("entering the namespace {name}"))?;
                work()
            })
            .join()
            .map_err(|_| anyhow!("the work inside the namespace {name} panicked"))?
    })
}
