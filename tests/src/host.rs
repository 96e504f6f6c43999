//! A machine of a lab: a network namespace, and the operations on it.

use std::{fs, net::IpAddr, process::Output, time::Duration};

use anyhow::{Context, Result, anyhow};
use gateway_common::net::MacAddr;
use serde_json::Value;

use crate::{
    Lab, netns,
    process::{self, Process},
    wait::{SOON, wait_for},
};

/// A machine of a lab. Clones refer to the same machine.
#[derive(Clone, Debug)]
pub struct Host {
    lab: Lab,
    name: String,
    namespace: String,
}

impl Host {
    pub(crate) fn new(lab: Lab, name: &str) -> Self {
        let namespace = format!("{}-{name}", lab.id());
        Self { lab, name: name.into(), namespace }
    }

    /// Returns its lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Returns its name within the lab.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its network namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the words before a command that make it run here. (`ip netns exec` would hide the BPF file system.)
    pub fn prefix(&self) -> [String; 2] {
        ["nsenter".into(), format!("--net={}", netns::path(&self.namespace).display())]
    }

    /// Runs a command, words between blanks, to its end.
    ///
    /// # Errors
    /// If it did not succeed; the error carries what it wrote.
    pub fn run(&self, command: &str) -> Result<Output> {
        self.with_words(command, process::run).with_context(|| format!("on host {}", self.name))
    }

    /// Runs a command to its end, and accepts any result.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn attempt(&self, command: &str) -> Result<Output> {
        self.with_words(command, process::attempt)
    }

    /// Starts a command that runs until the handle is dropped. Its log is `HOST-PROGRAM.log` in the lab's directory.
    ///
    /// # Errors
    /// If it could not be started.
    pub fn start(&self, command: &str) -> Result<Process> {
        let program = command.split_whitespace().next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let log = self.lab.directory().join(format!("{}-{program}.log", self.name));
        self.with_words(command, |words| Process::start(words, &log))
    }

    fn with_words<T>(&self, command: &str, run: impl FnOnce(&[&str]) -> Result<T>) -> Result<T> {
        let prefix = self.prefix();
        let words: Vec<&str> = prefix.iter().map(String::as_str).chain(command.split_whitespace()).collect();
        run(&words)
    }

    /// Runs `work` inside the namespace, see [`netns::enter`].
    ///
    /// # Errors
    /// The error of `work`.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        netns::enter(&self.namespace, work).with_context(|| format!("on host {}", self.name))
    }

    /// Runs `ip ...` on this host.
    ///
    /// # Errors
    /// The error output of `ip`.
    pub fn ip(&self, arguments: &str) -> Result<Output> {
        let words: Vec<&str> = ["ip", "-n", &self.namespace].into_iter().chain(arguments.split_whitespace()).collect();
        process::run(&words)
    }

    /// Returns the output of `ip -j ...`.
    ///
    /// # Errors
    /// The error output of `ip`.
    pub fn ip_json(&self, arguments: &str) -> Result<Value> {
        let output = self.ip(&format!("-j {arguments}"))?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("reading the output of `ip -j {arguments}`"))
    }

    /// Gives `dev` an address, like `10.0.0.1/24`.
    ///
    /// # Errors
    /// The error output of `ip`.
    pub fn address(&self, dev: &str, address: &str) -> Result<()> {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.ip(&format!("addr add {address} dev {dev} {nodad}")).map(drop)
    }

    /// Enables IPv6, for interfaces made from now on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn speak_ipv6(&self) -> Result<()> {
        self.enter(|| ["all", "default"].iter().try_for_each(|s| sysctl(&format!("ipv6/conf/{s}/disable_ipv6"), "0")))
    }

    /// Makes the host a router.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn route(&self) -> Result<()> {
        self.enter(|| sysctl("ipv4/ip_forward", "1"))
    }

    /// Makes the host notify its neighbours if an interface gets another Ethernet address.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn announce_addresses(&self) -> Result<()> {
        self.enter(|| sysctl("ipv4/conf/all/arp_notify", "1"))
    }

    /// Returns the Ethernet address of `dev`.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn mac(&self, dev: &str) -> Result<MacAddr> {
        let links = self.ip_json(&format!("link show dev {dev}"))?;
        let text = links[0]["address"].as_str().ok_or_else(|| anyhow!("{dev} on {} has no address", self.name))?;
        text.parse().map_err(|trouble| anyhow!("{dev} on {}: {trouble}", self.name))
    }

    /// Returns the index of `dev`.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn ifindex(&self, dev: &str) -> Result<u32> {
        let links = self.ip_json(&format!("link show dev {dev}"))?;
        let index = links[0]["ifindex"].as_u64().ok_or_else(|| anyhow!("{dev} on {} has no index", self.name))?;
        Ok(u32::try_from(index)?)
    }

    /// Returns the Ethernet address of `ip` in the host's neighbour table.
    pub fn neighbour(&self, ip: IpAddr) -> Option<MacAddr> {
        let neighbours = self.ip_json(&format!("neigh show {ip}")).ok()?;
        neighbours[0]["lladdr"].as_str()?.parse().ok()
    }

    /// Returns true if one ping of `address` is answered within a second.
    pub fn reaches(&self, address: &str) -> bool {
        self.attempt(&format!("ping -n -c 1 -W 1 {address}")).is_ok_and(|output| output.status.success())
    }

    /// Waits until `address` answers pings.
    ///
    /// # Errors
    /// If it never does.
    pub fn wait_reaches(&self, address: &str) -> Result<()> {
        wait_for(&format!("{} gets an answer from {address}", self.name), SOON, || self.reaches(address))
    }

    /// Flushes the neighbour table, so that the next packet causes a new request.
    ///
    /// # Errors
    /// The error output of `ip`.
    pub fn forget_neighbours(&self) -> Result<()> {
        self.ip("neigh flush all").map(drop)
    }

    /// Returns the state that `ethtool` reports for a feature of `dev`, like `rx-vlan-offload`: on or off.
    ///
    /// # Errors
    /// If there is no such interface or feature.
    pub fn feature(&self, dev: &str, feature: &str) -> Result<bool> {
        let output = self.run(&format!("ethtool -k {dev}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let value = text.lines().find_map(|line| line.trim().strip_prefix(feature)?.strip_prefix(": "));
        Ok(value.ok_or_else(|| anyhow!("{dev} on {} has no feature {feature}", self.name))?.starts_with("on"))
    }

    /// Waits until `dev` is up and has a carrier.
    ///
    /// # Errors
    /// If it never is.
    pub fn wait_up(&self, dev: &str) -> Result<()> {
        wait_for(&format!("{dev} on {} is up", self.name), Duration::from_secs(5), || {
            self.ip_json(&format!("link show dev {dev}")).is_ok_and(|links| links[0]["operstate"] == "UP")
        })
    }
}

/// Writes a network sysctl of the namespace that the calling thread is in.
pub(crate) fn sysctl(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{name}");
    fs::write(&path, value).with_context(|| format!("writing {value} to {path}"))
}
