//! The number of CPUs that run the programs.

use aya::util::online_cpus;

/// Returns the number of CPUs, from the highest number of those that are online. (The kernel also counts CPUs that a
/// virtual machine might get later, often hundreds. A CPU that comes online after the start works, without the state
/// that is kept per CPU.)
pub(super) fn count() -> u32 {
    let highest = online_cpus().ok().and_then(|online| online.into_iter().max());
    highest.map_or(1, |highest| highest + 1)
}
