//! Values of the columns `switch_fault_status` and `port_fault_status`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Fault with its name from `vtep(5)`. Controllers keep at most 32 characters of it (networking-l2gw).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Of a switch: not all MACs could be programmed.
    MacTableExhaustion,
    /// Of a switch: not all tunnels could be created.
    TunnelExhaustion,
    /// Of a port: not all of its VLANs could be bound as requested.
    InvalidVlanMap,
    /// Of a switch or a port: something else, which is in the gateway's log.
    Unspecified,
}

/// Current faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Faults of the gateway as a whole.
    pub switch: BTreeSet<Fault>,
    /// Faults of its ports, by name. A port that is not in the map has none.
    pub ports: BTreeMap<String, BTreeSet<Fault>>,
}

impl Fault {
    /// Returns the value for the column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MacTableExhaustion => "mac_table_exhaustion",
            Self::TunnelExhaustion => "tunnel_exhaustion",
            Self::InvalidVlanMap => "invalid_vlan_map",
            Self::Unspecified => "unspecified_fault",
        }
    }
}

impl Faults {
    /// Returns these faults and `others`.
    pub fn union(mut self, others: Self) -> Self {
        self.switch.extend(others.switch);
        for (port, faults) in others.ports {
            self.ports.entry(port).or_default().extend(faults);
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_the_columns_of_controllers() {
        for fault in [Fault::MacTableExhaustion, Fault::TunnelExhaustion, Fault::InvalidVlanMap, Fault::Unspecified] {
            assert!(fault.as_str().len() <= 32, "{fault}");
        }
    }
}
