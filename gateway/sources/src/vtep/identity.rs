//! Identity of this gateway: it selects the rows that are its own.

use std::{collections::BTreeSet, net::IpAddr};

/// Identity of this gateway in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Instance of the gateway: an index into [`gateway_config::Config::instances`].
    pub instance: usize,
    /// Name of its row in `Physical_Switch`.
    pub name: String,
    /// Its tunnel addresses.
    pub tunnel_ips: BTreeSet<IpAddr>,
    /// Management addresses. If there are none, those in the database stay unchanged.
    pub management_ips: BTreeSet<IpAddr>,
    /// Description. If it is empty, the one in the database stays unchanged.
    pub description: String,
    /// Names of its access ports.
    pub ports: BTreeSet<String>,
}

impl Identity {
    /// Returns the published tunnel address, at which others reach this gateway's stations: the IPv4 one if there is
    /// one.
    pub(crate) fn tunnel_ip(&self) -> Option<IpAddr> {
        // IPv4 comes first in the order of addresses.
        self.tunnel_ips.first().copied()
    }

    /// Returns true for an address where tunnels end at this gateway.
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.tunnel_ips.contains(&address)
    }
}
