//! Errors of attaching, with a remedy for the operator.

use std::{
    io,
    path::{Path, PathBuf},
};

use gateway_base::causes;
use gateway_netdev::{
    Link,
    nic::{self, Setting},
};

use super::device::Device;
use crate::{claim::Taken, sys::Hook};

/// Error of attaching a program.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The object lacks a program.
    #[error("the BPF object has no program {0}: it is of another version")]
    Missing(&'static str),
    /// The verifier refused the program, or attaching failed.
    #[error("{hook} on {interface}: {reason}")]
    Program {
        /// XDP or TC.
        hook: &'static str,
        /// The interface.
        interface: String,
        /// The error text of the kernel.
        reason: String,
        /// The errno, if there is one.
        errno: Option<i32>,
    },
    /// XDP is required, and would not see the VLAN of a frame.
    #[error(
        "XDP on {interface}: the NIC takes VLAN tags off before XDP sees a frame, and its driver does not let {setting} be \
         turned off, so frames of one VLAN would be taken for another's; set mode = \"tc\" (or \"auto\") for {interface}"
    )]
    TagsHidden {
        /// The interface.
        interface: String,
        /// The setting that stays on.
        setting: Setting,
    },
    /// A pin could not be made or removed.
    #[error("{path}: {reason}", path = .path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// The error text of the kernel.
        reason: String,
    },
    /// Another agent has the interface.
    #[error(transparent)]
    Taken(#[from] Taken),
}

impl AttachError {
    pub(super) fn kernel(hook: Hook, device: &Device, error: &io::Error) -> Self {
        let errno = error.raw_os_error();
        let reason = match (hook, errno) {
            (Hook::Xdp, Some(libc::EOPNOTSUPP)) => {
                format!("its driver does not run XDP ({error}); set mode = \"auto\" or \"tc\", or use another NIC")
            }
            (Hook::Xdp, Some(libc::EBUSY | libc::EEXIST)) => foreign(&device.name),
            _ => format!("{error}{}", causes::remedy(errno)),
        };
        Self::Program { hook: hook.title(), interface: device.name.clone(), reason, errno }
    }

    pub(super) fn pin(path: &Path, error: &io::Error) -> Self {
        let reason = format!("{error}{}", causes::remedy(error.raw_os_error()));
        Self::Pin { path: path.to_owned(), reason }
    }

    /// Returns true if XDP can't run on such a NIC. A retry does not change that.
    pub const fn is_no_xdp(&self) -> bool {
        matches!(self, Self::Program { errno: Some(libc::EOPNOTSUPP), .. } | Self::TagsHidden { .. })
    }

    /// Returns true if another program is in the place of ours.
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Program { errno: Some(libc::EBUSY | libc::EEXIST), .. })
    }
}

/// Describes the programs on an interface that has no room for ours.
fn foreign(name: &str) -> String {
    match Link::named(name).ok().flatten().and_then(|interface| interface.xdp) {
        Some(id) => format!("{}; {}", nic::foreign_xdp(id, None), nic::foreign_xdp_remedy(name, id)),
        None => "another XDP program was on it".to_owned(),
    }
}

/// Formats an error and its causes. Of the verifier's output only the end is kept, which has the reason.
pub(super) fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let text = causes::chain(error) + causes::remedy(causes::errno(error));
    const LONG: usize = 600;
    if text.len() <= LONG {
        return text;
    }
    let cut = text.len() - LONG;
    let cut = (cut..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    format!("… {}", &text[cut..])
}
