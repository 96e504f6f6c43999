//! Single snapshot of the underlay, for a client that does not follow it. It only reads the kernel's state: no
//! neighbour is kept or resolved.

use super::{
    error::UnderlayError,
    facts::Facts,
    kernel::Kernel,
    snapshot::{Snapshot, Wanted},
};

/// Returns the current state of everything wanted. Needs a tokio runtime, and reads the calling thread's network
/// namespace.
///
/// # Errors
/// Netlink does not work.
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
        // Routing rules may match the source, which has to exist.
        let source = own.iter().copied().find(|vtep| vtep.is_ipv4() == remote.is_ipv4());
        facts.answer(*remote, kernel.route(*remote, source).await);
    }
    Ok(facts.snapshot(wanted))
}
