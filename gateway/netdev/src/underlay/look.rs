//! One look at the underlay, for whoever does not follow it. Nothing is asked of the kernel but what it knows: no neighbour
//! is kept or resolved.

use super::{Facts, Snapshot, UnderlayError, Wanted, kernel::Kernel};

/// The state of everything wanted, now. Needs a tokio runtime, and speaks of the calling thread's network namespace.
///
/// # Errors
/// When netlink does not work.
pub async fn look(wanted: &Wanted) -> Result<Snapshot, UnderlayError> {
    let kernel = Kernel::open()?;
    let mut facts = Facts::default();
    facts.replace(kernel.dump().await?);
    let mut own = Vec::new();
    for vtep in &wanted.vteps {
        if kernel.is_local(*vtep).await {
            own.push(*vtep);
        }
    }
    for remote in &wanted.remotes {
        // Routing rules may go by the source, which has to be there.
        let source = own.iter().copied().find(|vtep| vtep.is_ipv4() == remote.is_ipv4());
        facts.answer(*remote, kernel.route(*remote, source).await);
    }
    Ok(facts.snapshot(wanted))
}
