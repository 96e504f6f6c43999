//! Which rows are this gateway's.

use std::{collections::BTreeSet, net::IpAddr};

/// What this gateway is in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Which of the gateway's instances it is: an index into [`gateway_config::Config::instances`].
    pub instance: usize,
    /// Name of its row in `Physical_Switch`.
    pub name: String,
    /// Its tunnel addresses.
    pub tunnel_ips: BTreeSet<IpAddr>,
    /// Addresses to manage it by; where there are none, those in the database are left alone.
    pub management_ips: BTreeSet<IpAddr>,
    /// What it says of itself; where empty, what the database says is left alone.
    pub description: String,
    /// Names of its access ports.
    pub ports: BTreeSet<String>,
}

impl Identity {
    /// The address that others are told to reach this gateway's stations at: the IPv4 one if there is one.
    pub(crate) fn tunnel_ip(&self) -> Option<IpAddr> {
        // In their order, IPv4 comes first.
        self.tunnel_ips.first().copied()
    }

    /// True for an address where tunnels end at this gateway.
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.tunnel_ips.contains(&address)
    }
}
