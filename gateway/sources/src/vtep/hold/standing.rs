//! Counts that show whether a controller fills the database.

use crate::vtep::{Identity, Mirror, rows::TunnelKey};

/// Counts that show whether a controller fills the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// True if this gateway's row in `Physical_Switch` exists.
    pub registered: bool,
    /// Number of logical switches.
    pub switches: usize,
    /// Number of logical switches with a VNI.
    pub bound: usize,
    /// Number of logical switches with a `tunnel_key` of zero.
    pub zero: usize,
    /// Number of remote MACs.
    pub macs: usize,
}

impl Standing {
    /// Returns the counts of `mirror`.
    pub fn of(mirror: &Mirror, identity: &Identity) -> Self {
        let count = |is: fn(TunnelKey) -> bool| mirror.switches.values().filter(|row| is(row.key)).count();
        Self {
            registered: mirror.physical_switch(&identity.name).is_some(),
            switches: mirror.switches.len(),
            bound: count(|key| key.vni().is_some()),
            zero: count(|key| key == TunnelKey::Zero),
            macs: mirror.remote.len(),
        }
    }

    /// Returns true if the controller that filled the database as of `before` has exited. A controller that exits
    /// empties the tunnel keys, and deletes its MACs in the same transaction or in the next ones. For a network that is
    /// removed it writes a zero.
    pub(super) fn withdrawn(self, before: Self) -> bool {
        let none_left = before.bound > 0 && self.bound == 0;
        none_left && (self.zero <= before.zero || (before.bound > 1 && self.macs == 0))
    }

    /// Returns true if the database was recreated.
    pub(super) fn emptied(self, before: Self) -> bool {
        self.deleted(before) && before.switches > 0 && self.switches == 0
    }

    /// Returns true if this gateway's own row was deleted, which this gateway never does itself.
    pub(super) fn deleted(self, before: Self) -> bool {
        before.registered && !self.registered
    }
}
