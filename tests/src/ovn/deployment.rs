//! Layout of gateways and their databases.

use crate::{cluster::plan::NODES, crossing::GW};

/// Layout of gateways and their databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// One gateway.
    Single,
    /// Two gateways, each with a database and an `ovn-controller-vtep` of its own, for the same physical switch.
    PerNode,
    /// Two gateways with one clustered database: a member beside each, and one in the centre, together with the only
    /// `ovn-controller-vtep`.
    Shared,
}

impl Deployment {
    /// Returns the numbers of the gateways, and their names.
    pub(super) fn nodes(self) -> Vec<(u8, &'static str)> {
        match self {
            Self::Single => vec![(GW, "gw")],
            Self::PerNode | Self::Shared => NODES.to_vec(),
        }
    }
}
