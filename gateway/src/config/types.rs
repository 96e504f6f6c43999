//! The configuration once it is checked.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crate::database::Rows;

/// All that the configuration file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What concerns the gateway as a whole.
    pub gateway: GatewayConfig,
    /// NICs towards the VXLAN underlay; at least one.
    pub uplinks: Vec<Interface>,
    /// Access ports, NICs towards the VLANs; at least one.
    pub ports: Vec<Interface>,
    /// The static database.
    pub rows: Arc<Rows>,
}

/// Section `[gateway]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// This gateway's tunnel addresses.
    pub vteps: Vteps,
    /// UDP port of VXLAN, for what is sent and what is received.
    pub udp_port: u16,
    /// TTL or hop limit of the outer header.
    pub ttl: u8,
    /// How long a learned MAC lives without traffic.
    pub ageing: Duration,
    /// MACs in all, given and learned.
    pub fdb_size: u32,
    /// Directory of pinned maps and links, on a bpffs.
    pub pin_dir: PathBuf,
    /// Directory of the lock, and of sockets.
    pub run_dir: PathBuf,
}

/// This gateway's tunnel addresses: one, or one of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vteps {
    /// For remote VTEPs with an IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// For remote VTEPs with an IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

/// An interface that packets enter and leave by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, one that the kernel would accept.
    pub name: String,
    /// Where the programs attach.
    pub mode: Mode,
}

/// Where the programs of an interface attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// XDP where the driver can, else TC.
    #[default]
    Auto,
    /// XDP, with TC for what is replicated; an error where the driver cannot.
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

impl Vteps {
    /// The address that a tunnel to `remote` starts from: the one of its family, if there is one.
    pub fn towards(&self, remote: IpAddr) -> Option<IpAddr> {
        match remote {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }

    /// The addresses there are.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}

impl Config {
    /// What differs in `new` that a running agent cannot take over, one text for each key. A reload is refused unless
    /// this is empty: these values are built into maps and programs, or name where they are.
    pub fn changes_needing_restart(&self, new: &Self) -> Vec<String> {
        let (old, new) = (&self.gateway, &new.gateway);
        let mut changes = Vec::new();
        let mut compare = |key: &str, old: &dyn fmt::Display, new: &dyn fmt::Display| {
            let (old, new) = (old.to_string(), new.to_string());
            if old != new {
                changes.push(format!("gateway.{key} ({old} -> {new})"));
            }
        };
        compare("udp_port", &old.udp_port, &new.udp_port);
        compare("fdb_size", &old.fdb_size, &new.fdb_size);
        compare("pin_dir", &old.pin_dir.display(), &new.pin_dir.display());
        compare("run_dir", &old.run_dir.display(), &new.run_dir.display());
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            gateway: GatewayConfig {
                vteps: Vteps { v4: Some(Ipv4Addr::new(172, 31, 0, 21)), v6: None },
                udp_port: 4789,
                ttl: 64,
                ageing: Duration::from_secs(300),
                fdb_size: 1024,
                pin_dir: "/sys/fs/bpf/vtep-gateway".into(),
                run_dir: "/run/vtep-gateway".into(),
            },
            uplinks: vec![],
            ports: vec![],
            rows: Arc::default(),
        }
    }

    #[test]
    fn what_is_built_into_maps_and_programs_needs_a_restart() {
        let mut new = config();
        new.gateway.udp_port = 4790;
        new.gateway.fdb_size = 2048;
        new.gateway.pin_dir = "/sys/fs/bpf/other".into();
        new.gateway.run_dir = "/run/other".into();
        assert_eq!(
            config().changes_needing_restart(&new),
            [
                "gateway.udp_port (4789 -> 4790)",
                "gateway.fdb_size (1024 -> 2048)",
                "gateway.pin_dir (/sys/fs/bpf/vtep-gateway -> /sys/fs/bpf/other)",
                "gateway.run_dir (/run/vtep-gateway -> /run/other)",
            ]
        );
    }

    #[test]
    fn the_rest_is_taken_over_while_running() {
        let mut new = config();
        new.gateway.ttl = 32;
        new.gateway.ageing = Duration::from_secs(60);
        new.gateway.vteps.v6 = Some(Ipv6Addr::LOCALHOST);
        new.ports.push(Interface { name: "eth1".to_owned(), mode: Mode::Tc });
        assert!(config().changes_needing_restart(&new).is_empty());
    }

    #[test]
    fn a_tunnel_starts_from_the_address_of_its_family() {
        let vteps = config().gateway.vteps;
        assert_eq!(vteps.towards("172.31.0.11".parse().unwrap()), Some("172.31.0.21".parse().unwrap()));
        assert_eq!(vteps.towards("2001:db8::11".parse().unwrap()), None);
    }
}
