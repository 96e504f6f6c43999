//! keepalived as one of two nodes.

use std::{fmt::Write, fs, net::IpAddr};

use anyhow::{Context, Result};

use crate::{Host, process::Process};

/// Settings of keepalived. It uses `u0`, and virtual router 20.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Version of the protocol.
    pub version: u8,
    /// Its priority; 255 is that of the address's owner.
    pub priority: u8,
    /// Seconds between advertisements.
    pub interval: f64,
    /// Takes the role from a lower priority.
    pub preempt: bool,
    /// Its own address and that of the other node, if it does not use multicast.
    pub unicast: Option<(IpAddr, IpAddr)>,
    /// Leaves the pseudo-header out of the checksum of version 3.
    pub checksum_as_v2: bool,
    /// The virtual address.
    pub address: IpAddr,
}

impl Settings {
    /// Makes settings for version 3 with multicast, preempting.
    pub fn new(address: IpAddr, priority: u8, interval: f64) -> Self {
        Self { version: 3, priority, interval, preempt: true, unicast: None, checksum_as_v2: false, address }
    }

    fn text(&self) -> String {
        let mut text = String::from("global_defs {\n    router_id lab\n    vrrp_garp_master_delay 1\n");
        if self.checksum_as_v2 {
            text.push_str("    vrrp_v3_checksum_as_v2\n");
        }
        text.push_str("}\nvrrp_instance lab {\n    state BACKUP\n    interface u0\n    virtual_router_id 20\n");
        let prefix = if self.address.is_ipv4() { 32 } else { 128 };
        // Writing to a string does not fail.
        let _ = writeln!(text, "    version {}\n    priority {}", self.version, self.priority);
        let _ = writeln!(text, "    advert_int {}", self.interval);
        if !self.preempt {
            text.push_str("    nopreempt\n");
        }
        if let Some((own, peer)) = self.unicast {
            let _ = writeln!(text, "    unicast_src_ip {own}\n    unicast_peer {{\n        {peer}\n    }}");
        }
        let _ = writeln!(text, "    virtual_ipaddress {{\n        {}/{prefix} dev u0\n    }}\n}}", self.address);
        text
    }
}

/// keepalived on a host.
#[derive(Debug)]
pub struct Keepalived {
    host: Host,
    address: IpAddr,
    /// Its process; taken down with the handle.
    pub process: Process,
}

impl Keepalived {
    /// Starts keepalived.
    ///
    /// # Errors
    /// If it is not installed.
    pub fn start(host: &Host, settings: &Settings) -> Result<Self> {
        let directory = host.lab().directory().join(format!("{}-keepalived", host.name()));
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let file = directory.join("keepalived.conf");
        fs::write(&file, settings.text()).with_context(|| format!("writing {}", file.display()))?;
        let pids = directory.display();
        let process = host.start(&format!(
            "keepalived --dont-fork --log-console --vrrp -f {} -p {pids}/parent.pid -r {pids}/vrrp.pid",
            file.display()
        ))?;
        Ok(Self { host: host.clone(), address: settings.address, process })
    }

    /// Returns true while it has the virtual address.
    ///
    /// # Errors
    /// If the interface is gone.
    pub fn is_active(&self) -> Result<bool> {
        has_address(&self.host, self.address)
    }
}

/// Returns true if `u0` of a host has an address.
///
/// # Errors
/// If there is no such interface.
pub fn has_address(host: &Host, address: IpAddr) -> Result<bool> {
    let links = host.ip_json("addr show dev u0")?;
    let infos = links[0]["addr_info"].as_array().into_iter().flatten();
    Ok(infos.filter_map(|info| info["local"].as_str()).any(|local| local == address.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_settings() {
        let settings = Settings {
            unicast: Some(([172, 31, 0, 22].into(), [172, 31, 0, 21].into())),
            ..Settings::new([172, 31, 0, 20].into(), 200, 0.1)
        };
        let text = settings.text();
        for line in ["advert_int 0.1", "priority 200", "unicast_src_ip 172.31.0.22", "172.31.0.20/32 dev u0"] {
            assert!(text.lines().any(|found| found.trim() == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("nopreempt"));
    }
}
