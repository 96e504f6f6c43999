//! Errors of opening the control socket.

use std::{io, path::PathBuf};

/// Error that keeps the control socket from being opened.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// Another process answers there.
    #[error("{}: another process listens there; stop it, or set another gateway.run_dir", path.display())]
    Taken {
        /// Path of the socket.
        path: PathBuf,
    },
    /// The path is no socket, and is not removed without a request.
    #[error("{}: there is something that is not a socket; remove it, or set another gateway.run_dir", path.display())]
    NotASocket {
        /// Path that should be the socket.
        path: PathBuf,
    },
    /// There is no such group.
    #[error(
        "gateway.control_group: there is no group {group:?} on this machine; make it with `groupadd --system {group}`, or name another"
    )]
    NoGroup {
        /// Name of the group.
        group: String,
    },
    /// The lookup of the group fails.
    #[error("gateway.control_group: looking up group {group:?}: {source}")]
    Group {
        /// Name of the group.
        group: String,
        /// Error of the system.
        source: io::Error,
    },
    /// The system refuses to open the socket.
    #[error("cannot open the control socket {}: {source}", path.display())]
    Open {
        /// Path of the socket.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}
