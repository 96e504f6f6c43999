//! Probes the rest of the machine: files of /proc, and the rules of nftables through its own tool.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use gateway_config::Config;
use nix::ifaddrs::getifaddrs;

use super::{kernel::number, underlay::ip};
use crate::doctor::{
    host::{Facts, VrrpFilter},
    probe_error::ProbeError,
};

/// Collects all facts.
pub(in super::super) fn probe(config: &Config, file: &Path) -> Facts {
    let filters: Vec<VrrpFilter> = config
        .instances
        .iter()
        .filter_map(|instance| instance.vrrp.as_ref())
        .map(|vrrp| VrrpFilter {
            interface: vrrp.interface.clone(),
            beyond_the_link: !vrrp.peers.is_empty() || vrrp.virtual_mac,
            rp_filter: ["all", &vrrp.interface]
                .iter()
                .filter_map(|of| number(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter")))
                .max(),
        })
        .collect();
    Facts {
        rules: (!filters.is_empty()).then(rules),
        filters,
        forwards: number("/proc/sys/net/ipv4/ip_forward") == Some(1_u32),
        ports_with_addresses: ports_with_addresses(config),
        config: fs::metadata(file).ok().map(|found| (file.display().to_string(), found.permissions().mode())),
    }
}

/// Returns the access ports with an IP address. Link-local ones do not count, since the kernel gives one to each
/// interface.
fn ports_with_addresses(config: &Config) -> Vec<String> {
    let addresses = getifaddrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let has = |name: &str| {
        addresses
            .iter()
            .filter(|one| one.interface_name == name)
            .filter_map(|one| ip(one.address.as_ref()?))
            .any(|address| !matches!(address, std::net::IpAddr::V6(address) if address.is_unicast_link_local()))
    };
    config.ports.iter().filter(|port| has(&port.name)).map(|port| port.name.clone()).collect()
}

fn rules() -> Result<serde_json::Value, ProbeError> {
    // `timeout` (coreutils) enforces the deadline.
    let words = ["5", "nft", "-j", "list", "ruleset"];
    let output =
        Command::new("timeout").args(words).output().map_err(|error| ProbeError::new(format_args!("nft: {error}")))?;
    if !output.status.success() {
        return Err(ProbeError::new(String::from_utf8_lossy(&output.stderr).trim()));
    }
    // Older versions print nothing if there are no rules.
    if output.stdout.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    serde_json::from_slice(&output.stdout).map_err(|error| ProbeError::new(format_args!("nft: {error}")))
}
