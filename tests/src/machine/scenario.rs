//! Scenarios: a server, its network, the gateway's mode, and what is expected of it.

use std::fmt::{self, Display, Formatter};

use super::{
    hardware::Model,
    network::{Access, Uplink},
};
use crate::config::Mode;

/// Series of a kernel, as the folder of its files is called.
pub type Series = &'static str;

/// Oldest supported series.
pub const LINUX_6_1: Series = "6.1";
/// Series of the present long-term kernel.
pub const LINUX_6_12: Series = "6.12";

/// Hook that carries known unicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The fast path.
    Xdp,
    /// The slow path.
    Tc,
}

/// MTU of the hosts, and of the NICs with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtu {
    /// Hosts with 1500 bytes, an underlay with 1600.
    Standard,
    /// NICs with 9000 bytes, hosts with what fits.
    Jumbo,
}

/// Event under traffic, after the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent is restarted; nothing may be lost.
    Restart,
    /// The package is installed again; nothing may be lost.
    Upgrade,
    /// The server is restarted with the unit enabled, and has to forward again.
    Reboot,
    /// The cable of the access bond's active member is taken out, and it has to forward again.
    MemberFails,
    /// A member leaves the access bond and joins it again.
    MemberLeaves,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name; unique.
    pub name: &'static str,
    /// The kernel.
    pub kernel: Series,
    /// NICs towards the underlay.
    pub uplink_nic: Model,
    /// NICs towards the VLANs.
    pub access_nic: Model,
    /// MTU.
    pub mtu: Mtu,
    /// Interface that owns the tunnel address.
    pub uplink: Uplink,
    /// Interface at which the VLANs arrive.
    pub access: Access,
    /// Mode of uplink and access port in the configuration.
    pub modes: (Mode, Mode),
    /// Expected path from tunnels, and to tunnels.
    pub carried: (Path, Path),
    /// Events after the first checks, in order.
    pub events: &'static [Event],
    /// Part of `cargo xtask test`.
    pub gate: bool,
    /// Known limit that keeps it from passing, in a sentence; empty if there is none.
    pub limit: &'static str,
}

impl Mtu {
    /// Returns the MTU of the hosts.
    pub const fn of_hosts(self) -> u32 {
        match self {
            Self::Standard => 1500,
            Self::Jumbo => 8950,
        }
    }

    /// Returns the MTU of the access ports.
    pub const fn of_access(self) -> u32 {
        match self {
            Self::Standard => 1500,
            Self::Jumbo => 9000,
        }
    }

    /// Returns the MTU of the uplinks.
    pub const fn of_uplink(self) -> u32 {
        match self {
            Self::Standard => 1600,
            Self::Jumbo => 9000,
        }
    }
}

impl Scenario {
    /// Names its NICs.
    pub fn nics(&self) -> String {
        let (uplink, access) = (self.uplink_nic, self.access_nic);
        if uplink == access { uplink.to_string() } else { format!("{uplink} and {access}") }
    }

    /// Returns true if both can run on one boot.
    pub fn shares_boot(&self, other: &Self) -> bool {
        (self.kernel, self.uplink_nic, self.access_nic) == (other.kernel, other.uplink_nic, other.access_nic)
    }
}

impl Path {
    /// Returns the word for it in tables and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Xdp => "XDP",
            Self::Tc => "TC",
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
