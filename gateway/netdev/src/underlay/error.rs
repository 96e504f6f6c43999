//! Errors of following the underlay.

use std::io;

/// Reason why the underlay can't be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnderlayError {
    /// A socket could not be opened.
    #[error("opening a netlink socket for {what}: {source}; the agent needs a kernel with rtnetlink and CAP_NET_ADMIN")]
    Open {
        /// The socket: one of the two.
        what: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The kernel refused to list something.
    #[error("listing {what} by netlink: {source}; check that `ip` can list them, and restart the agent")]
    Dump {
        /// The list: links or neighbours.
        what: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The socket for notifications was closed.
    #[error("the netlink socket for events closed; restart the agent")]
    Closed,
}
