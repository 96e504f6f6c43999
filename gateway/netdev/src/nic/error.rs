//! Errors of NIC settings.

use std::{io, path::PathBuf};

/// Reason why a NIC could not be changed or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NicError {
    /// The interface doesn't exist.
    #[error("there is no interface `{name}`: check the name in the configuration against `ip link`")]
    NoInterface {
        /// The name.
        name: String,
    },
    /// The kernel refused.
    #[error("{doing} of interface `{name}`: {source}{}", hint(.source))]
    Refused {
        /// The interface.
        name: String,
        /// The operation that failed.
        doing: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
    /// No socket could be opened.
    #[error("opening a socket to ask about NICs: {0}")]
    Socket(#[source] io::Error),
    /// The kernel's answer could not be parsed.
    #[error("asking for the XDP features of interface number {ifindex}: {source}")]
    XdpFeatures {
        /// The interface.
        ifindex: u32,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The file of original settings can't be read or written.
    #[error(
        "{doing} the file of original NIC settings, {}: {source}; check the directory and its permissions",
        path.display()
    )]
    Store {
        /// The operation: reading or writing.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file of original settings isn't what this agent writes.
    #[error(
        "the file of original NIC settings, {}, can't be understood: {source}; set the NICs by hand as they should be \
         without the gateway (`ethtool -K`), and delete the file",
        path.display()
    )]
    Corrupt {
        /// Path of the file.
        path: PathBuf,
        /// Position and reason of the error.
        source: serde_json::Error,
    },
}

impl NicError {
    /// Returns the error for a refusal. A missing interface has its own variant.
    pub(super) fn refused(name: &str, doing: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => Self::NoInterface { name: name.to_owned() },
            _ => Self::Refused { name: name.to_owned(), doing, source },
        }
    }
}

fn hint(source: &io::Error) -> &'static str {
    if source.raw_os_error() == Some(libc::EPERM) { "; it needs CAP_NET_ADMIN" } else { "" }
}
