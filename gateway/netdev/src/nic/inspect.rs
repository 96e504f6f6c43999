//! Inspects a NIC without changing it, for the diagnosis of one that is slow or receives nothing.

use super::{
    error::NicError,
    ethtool::{Ethtool, Share},
    plan::{self, Role, Setting, Step},
    settings,
};

/// A setting that differs from the one that a role needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The setting.
    pub setting: Setting,
    /// The value that it should have.
    pub wanted: bool,
    /// True if the driver permits a change.
    pub changeable: bool,
}

/// Returns the settings of `name` that differ from those that `role` needs.
///
/// # Errors
/// There is no such interface, or the kernel refuses to report.
pub fn wrong_settings(name: &str, role: Role) -> Result<Vec<Wrong>, NicError> {
    let ethtool = Ethtool::open()?;
    let mut wrong = Vec::new();
    for &(setting, wanted) in plan::needs(role) {
        match plan::step(settings::state(&ethtool, name, setting)?, wanted) {
            Step::Nothing => {}
            Step::Fixed if plan::is_covered(role, setting) => {}
            step => wrong.push(Wrong { setting, wanted, changeable: step == Step::Change }),
        }
    }
    Ok(wrong)
}

/// Returns the size of the receive ring in packets (`ETHTOOL_GRINGPARAM`).
///
/// # Errors
/// There is no such interface, or its driver has no rings.
pub fn receive_ring(name: &str) -> Result<Share, NicError> {
    Ethtool::open()?.receive_ring(name)
}

/// Returns the number of receive queues (`ETHTOOL_GCHANNELS`).
///
/// # Errors
/// There is no such interface, or its driver has no channels.
pub fn receive_queues(name: &str) -> Result<Share, NicError> {
    Ethtool::open()?.receive_queues(name)
}
