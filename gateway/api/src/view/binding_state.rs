//! State of a binding: it forwards, or the reason why it does not.

use std::fmt;

use gateway_common::net::Vni;

/// The state of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingState {
    /// It is in force: frames are forwarded while the instance's lease runs.
    Forwards,
    /// The controller has not given the logical switch a `tunnel_key`.
    WaitsForKey,
    /// The VNI of the logical switch is in use by another one.
    VniTaken {
        /// The VNI.
        vni: Vni,
        /// The logical switch that uses it.
        holder: String,
    },
    /// The port is no `[[port]]` of the configuration.
    NoPort,
    /// The interface of the port is missing.
    NoInterface,
    /// The interface of the port is down.
    PortDown,
    /// There is no such VLAN.
    NoVlan,
    /// The VLAN of the port is also bound to this logical switch, which uses it.
    VlanTaken(String),
    /// It should be in force and is not: the map is full, or the kernel refused it.
    NotProgrammed,
    /// No programs are attached to the port.
    NotAttached,
}

impl BindingState {
    /// Names of the states, for programs.
    pub const NAMES: [&str; 10] = [
        "forwards",
        "waits_for_key",
        "vni_taken",
        "no_port",
        "no_interface",
        "port_down",
        "no_vlan",
        "vlan_taken",
        "not_programmed",
        "not_attached",
    ];

    /// Returns the name of the state, for programs.
    pub const fn name(&self) -> &'static str {
        let place = match self {
            Self::Forwards => 0,
            Self::WaitsForKey => 1,
            Self::VniTaken { .. } => 2,
            Self::NoPort => 3,
            Self::NoInterface => 4,
            Self::PortDown => 5,
            Self::NoVlan => 6,
            Self::VlanTaken(_) => 7,
            Self::NotProgrammed => 8,
            Self::NotAttached => 9,
        };
        Self::NAMES[place]
    }

    /// Returns true if frames are forwarded while the lease runs.
    pub const fn forwards(&self) -> bool {
        matches!(self, Self::Forwards)
    }

    /// Returns true if a problem of the interface already reports the same.
    pub const fn is_reported_elsewhere(&self) -> bool {
        matches!(self, Self::NoInterface | Self::PortDown | Self::NotAttached)
    }

    /// Returns the reason why it does not forward, and the remedy.
    pub fn reason(&self) -> Option<String> {
        (!self.forwards()).then(|| self.to_string())
    }
}

impl fmt::Display for BindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwards => f.write_str("forwards"),
            Self::WaitsForKey => f.write_str(
                "waits for a tunnel_key: the controller has not bound the logical switch; in OVN, is there a port of type \
                 vtep for this gateway and logical switch, and does ovn-controller-vtep run?",
            ),
            Self::VniTaken { vni, holder } => {
                write!(f, "VNI {vni} is taken by logical switch {holder}: delete one, or give it another tunnel_key")
            }
            Self::NoPort => {
                f.write_str("no such port: it is no [[port]] of the configuration; add it there, or bind to another")
            }
            Self::NoInterface => f.write_str("no such port: the interface is missing"),
            Self::PortDown => f.write_str("the interface is down"),
            Self::NoVlan => f.write_str("no such VLAN: VLANs are 0 (untagged) to 4094"),
            Self::VlanTaken(holder) => {
                write!(f, "the VLAN is bound to logical switch {holder} too, which has it: unbind one")
            }
            Self::NotProgrammed => {
                f.write_str("not programmed: there is no room, or the kernel refuses it; `status` has the problem")
            }
            Self::NotAttached => f.write_str("no programs are attached to the port; `status` has the problem"),
        }
    }
}
