//! How many CPUs run the programs.

use aya::util::online_cpus;

/// CPUs, by the highest number of those that are online. (The kernel also counts those that a virtual machine might be
/// given some day, often hundreds; one that comes to life after the start works, without what is kept by CPU.)
pub(super) fn count() -> u32 {
    let highest = online_cpus().ok().and_then(|online| online.into_iter().max());
    highest.map_or(1, |highest| highest + 1)
}
