//! Problems: parts of the database that the gateway does not implement, with the reasons.

use std::fmt;

use gateway_common::net::{VlanId, Vni};

/// Part of the database that is not turned into forwarding, or only partly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// Two logical switches have one VNI.
    VniTwice {
        /// The VNI.
        vni: Vni,
        /// The switch that does not forward.
        switch: String,
        /// The switch that has it.
        holder: String,
    },
    /// VLANs are bound on a port of this gateway's row that is not an access port here.
    NoPort {
        /// Name of the port.
        port: String,
    },
    /// A binding has an invalid VLAN.
    NoVlan {
        /// Name of the port.
        port: String,
        /// Number in the database.
        vlan: u16,
    },
    /// A VLAN of a port is bound twice: the port has two rows.
    VlanTwice {
        /// Name of the port.
        port: String,
        /// The VLAN.
        vlan: VlanId,
        /// The switch that does not have it.
        switch: String,
        /// The switch that has it.
        holder: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VniTwice { vni, switch, holder } => write!(
                f,
                "logical switch {switch:?} does not forward: its tunnel_key {vni} is that of {holder:?} too; \
                 delete one of them"
            ),
            Self::NoPort { port } => write!(
                f,
                "the database binds VLANs of port {port:?}, which is no [[port]] of the configuration: they are not forwarded"
            ),
            Self::NoVlan { port, vlan } => {
                write!(
                    f,
                    "the database binds VLAN {vlan} of port {port:?}, and VLANs are 0 (untagged) to {}",
                    VlanId::MAX
                )
            }
            Self::VlanTwice { port, vlan, switch, holder } => write!(
                f,
                "the database has two rows for port {port:?}, and both bind VLAN {vlan}: it belongs to {holder:?} and not \
                 to {switch:?}; delete one of the rows"
            ),
        }
    }
}
