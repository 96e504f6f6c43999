//! Release of interfaces that are no longer used: programs, settings and claims.

use std::collections::BTreeSet;

use gateway_datapath::attach::{AttachError, Device};

use super::Devices;

impl Devices {
    /// Detaches programs and restores settings everywhere after a failed first start.
    pub(crate) fn undo(&mut self) {
        let tried = std::mem::take(&mut self.failed).into_keys().collect();
        if let Err(error) = self.release_others(&[], tried) {
            tracing::warn!("{error}");
        }
    }

    /// Detaches programs and restores settings on all interfaces but `keep`: on those in use, and on those `tried`,
    /// which may be half set up. Interfaces of another agent are left alone.
    pub(super) fn release_others(&mut self, keep: &[Device], tried: BTreeSet<String>) -> Result<(), AttachError> {
        let detached = self.attacher.detach_others(keep);
        for link in detached.iter().flatten() {
            tracing::info!(link, "detached");
        }
        let known: BTreeSet<String> = self.in_use.keys().cloned().chain(tried).collect();
        for name in known.into_iter().filter(|name| !keep.iter().any(|device| device.name == *name)) {
            self.release_members(&name);
            self.in_use.remove(&name);
            self.before_tc.remove(&name);
            self.gone.retain(|(gone, _), _| *gone != name);
            let Some((ifindex, _claim)) = self.claims.remove(&name) else { continue };
            if let Err(error) = self.attacher.detach_filter(ifindex, &name) {
                tracing::debug!("{error}");
            }
            self.put_back(&name);
        }
        detached.map(drop)
    }

    pub(super) fn put_back(&mut self, name: &str) {
        match self.nic.restore(name) {
            Ok(restored) => {
                for setting in restored {
                    tracing::info!(interface = name, setting = %setting.setting, outcome = ?setting.outcome, "put back");
                }
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
}
