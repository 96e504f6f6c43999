//! Changes of the configuration that a running agent cannot apply.

use std::fmt;

use super::{
    key_files::KeyFiles,
    types::{Config, DatabaseConfig, GatewayConfig, InstanceConfig},
};

impl Config {
    /// Returns the differences in `new` that a running agent cannot apply, one text for each key. A reload is refused
    /// unless the list is empty: these values are built into maps and programs, or are the paths of these.
    pub fn changes_needing_restart(&self, new: &Self) -> Vec<String> {
        let (old_config, new_config) = (self, new);
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
        let group = |config: &GatewayConfig| config.control_group.clone().unwrap_or_else(|| "none".to_owned());
        compare("control_group", &group(old), &group(new));
        changes.extend(database_changes(old_config.database.as_ref(), new_config.database.as_ref()));
        changes.extend(instance_changes(old_config, new_config));
        changes
    }
}

/// Returns the same for `[[vrrp]]` and `[sync]`: sockets, addresses and leases are created only once.
fn instance_changes(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    let routers = |config: &Config| -> Vec<String> {
        let virtual_routers = config.instances.iter().filter_map(|instance| Some((instance, instance.vrrp.as_ref()?)));
        let vteps = |instance: &InstanceConfig| instance.vteps.iter().map(|vtep| vtep.to_string()).collect::<Vec<_>>();
        virtual_routers
            .map(|(instance, vrrp)| {
                let mac = if vrrp.virtual_mac { " with a virtual MAC" } else { "" };
                let (vrid, name, interface) = (vrrp.vrid, &instance.name, &vrrp.interface);
                format!("{vrid} {name} on {interface}{mac}: {}", vteps(instance).join(" "))
            })
            .collect()
    };
    let (before, after) = (routers(old), routers(new));
    if before != after {
        let list = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        changes.push(format!("vrrp ({} -> {})", list(before), list(after)));
    }
    let switches = |config: &Config| -> Vec<Option<String>> {
        config.instances.iter().map(|instance| instance.switch.clone()).collect()
    };
    let one_database = old.database.is_some() && new.database.is_some();
    if one_database && old.is_redundant() && before_and_after_differ(&switches(old), &switches(new)) {
        changes.push("vrrp.switch".to_owned());
    }
    if old.is_redundant() && new.is_redundant() && old.sync != new.sync {
        changes.push(format!("sync.port ({} -> {})", old.sync.port, new.sync.port));
    }
    changes
}

/// Returns true if the two have the same length and different contents; a different length is already reported.
fn before_and_after_differ<T: PartialEq>(before: &[T], after: &[T]) -> bool {
    before.len() == after.len() && before != after
}

/// Returns the same for `[database]`: a connection is opened only once.
fn database_changes(old: Option<&DatabaseConfig>, new: Option<&DatabaseConfig>) -> Vec<String> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec!["database (is there -> is not)".to_owned()],
        (None, Some(_)) => return vec!["database (is not there -> is)".to_owned()],
    };
    let remotes =
        |config: &DatabaseConfig| config.remotes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let name = |config: &DatabaseConfig| config.switch.clone().unwrap_or_else(|| "host name".to_owned());
    let tls = |config: &DatabaseConfig| match &config.tls {
        Some(KeyFiles { private_key, certificate, ca_cert }) => format!("{private_key}, {certificate}, {ca_cert}"),
        None => "none".to_owned(),
    };
    let names = |config: &DatabaseConfig| config.server.names.join(" ");
    let prints = |config: &DatabaseConfig| {
        config.server.fingerprints.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let message = |config: &DatabaseConfig| (config.message_limit >> 20).to_string();
    let probe = |config: &DatabaseConfig| config.inactivity_probe.as_secs().to_string();
    [
        ("remote", remotes(old), remotes(new)),
        ("switch", name(old), name(new)),
        ("shared", old.shared.to_string(), new.shared.to_string()),
        ("private_key, certificate, ca_cert", tls(old), tls(new)),
        ("server_name", names(old), names(new)),
        ("server_fingerprint", prints(old), prints(new)),
        ("message_limit", message(old), message(new)),
        ("inactivity_probe", probe(old), probe(new)),
    ]
    .into_iter()
    .filter(|(_, old, new)| old != new)
    .map(|(key, old, new)| format!("database.{key} ({old} -> {new})"))
    .collect()
}

#[cfg(test)]
#[path = "restart_tests.rs"]
mod tests;
