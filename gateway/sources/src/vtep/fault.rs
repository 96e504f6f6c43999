//! What `switch_fault_status` and `port_fault_status` can say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A fault, called as in `vtep(5)`. Controllers keep no more than 32 characters of it (networking-l2gw).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Of a switch: not all MACs could be programmed.
    MacTableExhaustion,
    /// Of a switch: not all tunnels could be made.
    TunnelExhaustion,
    /// Of a port: not all of its VLANs could be bound as asked for.
    InvalidVlanMap,
    /// Of a switch or a port: something else, which is in the gateway's log.
    Unspecified,
}

/// The faults that stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Of the gateway as a whole.
    pub switch: BTreeSet<Fault>,
    /// Of its ports, by name. A port that is not here has none.
    pub ports: BTreeMap<String, BTreeSet<Fault>>,
}

impl Fault {
    /// What the column says.
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
    /// These and `others`.
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
