//! Configuration after all checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use gateway_ovsdb::{Remotes, ServerIdentity};
use gateway_vrrp::{AuthMode, Checksum, Interval, Priority, Version, Vrid};

use super::{auth::AuthConfig, key_files::KeyFiles};
use crate::rows::Rows;

/// Contents of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Settings of the gateway as a whole.
    pub gateway: GatewayConfig,
    /// Instances: tunnel addresses with their settings; at least one.
    pub instances: Vec<InstanceConfig>,
    /// Settings for the exchange of learned stations between nodes.
    pub sync: SyncConfig,
    /// NICs towards the VXLAN underlay; at least one.
    pub uplinks: Vec<Interface>,
    /// Access ports, NICs towards the VLANs; at least one.
    pub ports: Vec<Interface>,
    /// The static database.
    pub rows: Arc<Rows>,
    /// The database to follow in place of the static one.
    pub database: Option<DatabaseConfig>,
    /// Options of logical switches that are not in a database, by the name of the switch.
    pub switch_options: BTreeMap<String, SwitchOptions>,
    /// Listen addresses of the metrics.
    pub metrics: MetricsConfig,
}

/// Tunnel addresses that move together, and their physical switch. Without `[[vrrp]]` there is one instance, which does
/// not move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceConfig {
    /// Its name, for people and for `switch.instance`.
    pub name: String,
    /// Its tunnel addresses.
    pub vteps: Vteps,
    /// Name of its row in `Physical_Switch`; None: the host name.
    pub switch: Option<String>,
    /// Virtual router that moves it between nodes.
    pub vrrp: Option<VrrpConfig>,
}

/// Section `[[vrrp]]`: a virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrrpConfig {
    /// Its number on the link, also the number of its lease.
    pub vrid: Vrid,
    /// Interface for its advertisements and addresses: an uplink, or a subinterface.
    pub interface: String,
    /// Protocol version of sent advertisements.
    pub version: Version,
    /// Priority; the higher one wins.
    pub priority: Priority,
    /// Advertisement interval.
    pub interval: Interval,
    /// True if a node of higher priority takes the role from an active node of lower priority.
    pub preempt: bool,
    /// Time from the start, or from the first advertisement of lower priority, until it takes the role.
    pub preempt_delay: Duration,
    /// Time from the start until it takes part.
    pub startup_delay: Duration,
    /// The other nodes, where multicast does not reach them. None: multicast.
    pub peers: Vec<IpAddr>,
    /// Source address of its packets; None: the first address of the interface that is not virtual.
    pub source: Option<IpAddr>,
    /// True if the addresses are on a macvlan with the virtual router's MAC address (RFC 9568 section 7.3), not the
    /// interface's own.
    pub virtual_mac: bool,
    /// Checksum of sent advertisements of version 3 over IPv4.
    pub checksum: Checksum,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announce: AnnounceConfig,
    /// Effect of a data plane that is not attached.
    pub track_data_plane: Track,
    /// Effect of a database that is not reached.
    pub track_database: Track,
    /// Authentication of advertisements.
    pub auth: Option<AuthConfig>,
}

/// Announcements of virtual addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceConfig {
    /// Announcements of each address at a takeover.
    pub count: u8,
    /// Time until the announcements are repeated once; zero: they are not.
    pub delay: Duration,
    /// Time between announcements while active; zero: none.
    pub refresh: Duration,
}

/// Effect on a virtual router of a tracked object that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// No effect.
    Ignore,
    /// This node can't be active.
    Fault,
    /// Weight added to its priority, -253 to 253.
    Weight(i16),
}

/// Section `[sync]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncConfig {
    /// TCP port of the active node; 0: off.
    pub port: u16,
}

/// Section `[metrics]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Addresses of this machine to listen on; none: metrics are off.
    pub listen: BTreeSet<SocketAddr>,
}

/// Section `[database]`: a `hardware_vtep` database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// Its servers.
    pub remotes: Remotes,
    /// Name of this gateway's row in `Physical_Switch`; None: the host name.
    pub switch: Option<String>,
    /// Management addresses of this gateway, published in the row.
    pub management_ips: BTreeSet<IpAddr>,
    /// Description of this gateway, published in the row.
    pub description: String,
    /// The files for servers with `ssl:`.
    pub tls: Option<KeyFiles>,
    /// Requirements for the certificate of a server with `ssl:`.
    pub server: ServerIdentity,
    /// Largest message accepted, in bytes.
    pub message_limit: usize,
    /// Hold time: forwarding continues unchanged for this time after the database is lost. `None`: without limit.
    pub hold_time: Option<Duration>,
    /// Hold time after the database was emptied.
    pub empty_hold_time: Duration,
    /// Learned MACs of a logical switch at most.
    pub learn_limit: u64,
    /// Silence after which an echo request is sent to the server. Zero: never.
    pub inactivity_probe: Duration,
    /// True if all nodes use this one database, so that only the active node writes to it.
    pub shared: bool,
}

/// Section `[[switch_options]]`, and the same keys of `[[switch]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchOptions {
    /// True if control protocols of switches may pass from a tunnel to a VLAN.
    pub control_protocols: bool,
    /// True if a frame from a tunnel is dropped when its source is known elsewhere, unless the switch learns from
    /// tunnels.
    pub strict_sources: bool,
}

impl Default for SwitchOptions {
    fn default() -> Self {
        Self { control_protocols: false, strict_sources: true }
    }
}

/// Section `[gateway]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// UDP port of VXLAN, for sent and received packets.
    pub udp_port: u16,
    /// TTL or hop limit of the outer header.
    pub ttl: u8,
    /// Ageing time: a learned MAC is removed after this time without traffic.
    pub ageing: Duration,
    /// Capacity for MACs, given and learned.
    pub fdb_size: u32,
    /// Directory of pinned maps and links, on a bpffs.
    pub pin_dir: PathBuf,
    /// Directory of the lock, and of sockets.
    pub run_dir: PathBuf,
    /// Name of the group whose members may read through the control socket; None: root only.
    pub control_group: Option<String>,
}

/// Tunnel addresses of this gateway: one, or one of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vteps {
    /// For remote VTEPs with an IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// For remote VTEPs with an IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

/// Uplink or access port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, one that the kernel would accept.
    pub name: String,
    /// Attach mode of the programs.
    pub mode: Mode,
    /// Effect on the virtual routers if it is down.
    pub track: Track,
}

/// Attach mode of the programs of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// XDP where the driver can, else TC.
    #[default]
    Auto,
    /// XDP, with TC for replicated frames; an error if the driver does not support it.
    Xdp,
    /// TC for all traffic.
    Tc,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        })
    }
}

impl InstanceConfig {
    /// Returns the number of its lease: that of the virtual router, or 0.
    pub fn lease(&self) -> u32 {
        self.vrrp.as_ref().map_or(0, |vrrp| vrrp.vrid.get().into())
    }
}

impl Vteps {
    /// Returns the local address of a tunnel to `remote`: the one of its family, if there is one.
    pub fn towards(&self, remote: IpAddr) -> Option<IpAddr> {
        match remote {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }

    /// Returns the addresses that are set.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}

impl Config {
    /// Returns true if `address` is one of this gateway's tunnel addresses.
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.instances.iter().any(|instance| instance.vteps.towards(address) == Some(address))
    }

    /// Returns all tunnel addresses of this gateway.
    pub fn vteps(&self) -> impl Iterator<Item = IpAddr> {
        self.instances.iter().flat_map(|instance| instance.vteps.iter())
    }

    /// Returns true if the tunnel addresses move between nodes.
    pub fn is_redundant(&self) -> bool {
        self.instances.iter().any(|instance| instance.vrrp.is_some())
    }

    /// Returns the virtual routers whose advertisements any host on the link could forge, by name, with the reason.
    pub fn unauthenticated(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let routers = self.instances.iter().filter_map(|one| Some((one.name.as_str(), one.vrrp.as_ref()?)));
        routers.filter_map(|(name, vrrp)| match vrrp.auth.as_ref().map(|auth| auth.settings.mode) {
            None => Some((name, "it has no auth_keys")),
            Some(AuthMode::Permissive) => Some((name, "auth_mode is permissive")),
            Some(AuthMode::ReceiveOnly) => Some((name, "auth_mode is receive-only")),
            Some(AuthMode::Enforce) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_starts_from_the_address_of_its_family() {
        let vteps = Vteps { v4: Some(Ipv4Addr::new(172, 31, 0, 21)), v6: None };
        assert_eq!(vteps.towards("172.31.0.11".parse().unwrap()), Some("172.31.0.21".parse().unwrap()));
        assert_eq!(vteps.towards("2001:db8::11".parse().unwrap()), None);
    }
}
