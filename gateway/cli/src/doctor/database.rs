//! Evaluates the `hardware_vtep` database and the files for its connection.

use std::collections::{BTreeMap, BTreeSet};

use gateway_ovsdb::Uuid;

use super::{
    check::Check::{
        DatabaseBindings, DatabaseClash, DatabaseKeys, DatabaseMembers, DatabasePorts, DatabaseReach, DatabaseSchema,
        DatabaseSwitch, DatabaseTunnelIps, TlsFiles,
    },
    finding::Finding,
    probe_error::ProbeError,
};

/// Time before its end from which a certificate is reported, in seconds: 30 days.
const SOON: i64 = 30 * 86_400;
const DAY: i64 = 86_400;

/// Facts about the database.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// `database.remote`, for commands.
    pub(super) remote: String,
    /// Expected rows of this gateway, for each instance.
    pub(super) gateways: Vec<Gateway>,
    /// Contents of the database, or the error of each server.
    pub(super) picture: Result<Picture, Vec<(String, String)>>,
    /// Result of each server, where there are several.
    pub(super) members: Vec<(String, Result<(), ProbeError>)>,
    pub(super) tls: Vec<TlsFile>,
    /// Current time in seconds since 1970.
    pub(super) now: i64,
    /// True if an agent runs, which maintains the rows itself.
    pub(super) agent: bool,
    /// Reason why this process cannot read the database, although the agent may be able to.
    pub(super) hidden: Option<String>,
}

/// Expected row of this gateway in the database.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    pub(super) name: String,
    pub(super) tunnel_ips: BTreeSet<String>,
    pub(super) ports: Vec<String>,
}

/// Contents of the database that the checks need.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) server: String,
    pub(super) schema_version: String,
    /// Tables and columns that the schema lacks.
    pub(super) missing: Vec<String>,
    /// `Global.switches`.
    pub(super) global: BTreeSet<Uuid>,
    pub(super) switches: BTreeMap<Uuid, PhysicalSwitch>,
    /// Name, and the logical switch of each bound VLAN.
    pub(super) ports: BTreeMap<Uuid, (String, BTreeMap<i64, Uuid>)>,
    /// Name and tunnel_key.
    pub(super) logical: BTreeMap<Uuid, (String, Option<i64>)>,
    /// Addresses of all VTEPs.
    pub(super) locators: BTreeSet<std::net::IpAddr>,
}

/// A row of `Physical_Switch`.
#[derive(Clone, Debug, Default)]
pub(super) struct PhysicalSwitch {
    pub(super) name: String,
    pub(super) tunnel_ips: BTreeSet<String>,
    pub(super) ports: Vec<Uuid>,
}

/// File for TLS.
#[derive(Clone, Debug)]
pub(super) struct TlsFile {
    pub(super) path: String,
    /// True for the private key.
    pub(super) secret: bool,
    /// Its mode, or the error from reading it.
    pub(super) mode: Result<u32, ProbeError>,
    /// For certificates: the earliest end of validity, in seconds since 1970.
    pub(super) ends: Option<i64>,
}

pub(super) fn evaluate(facts: &Facts) -> Vec<Finding> {
    if let Some(reason) = &facts.hidden {
        let remedy =
            "set CREDENTIALS_DIRECTORY to a directory with those files; `vtep-gateway status` says what the agent sees";
        return vec![Finding::unknown(DatabaseReach, reason, remedy)];
    }
    let mut findings = Vec::new();
    let picture = match &facts.picture {
        Ok(picture) => picture,
        Err(reasons) => {
            findings.extend(reasons.iter().map(|(server, reason)| {
                Finding::bad(
                    DatabaseReach,
                    format!("not reached: {reason}"),
                    format!("is the server up, and does a firewall let port and address through? `ovsdb-client list-dbs {server}`"),
                )
                .about(server)
            }));
            findings.extend(facts.tls.iter().map(|file| tls(file, facts.now)));
            return findings;
        }
    };
    let schema = &picture.schema_version;
    findings.push(Finding::ok(DatabaseReach, format!("{} follows, schema {schema}", picture.server)));
    findings.extend(members(facts));
    findings.push(if picture.missing.is_empty() {
        Finding::ok(DatabaseSchema, "it has all that is used")
    } else {
        let convert = "`ovsdb-tool convert` or `ovsdb-client convert` with /usr/share/openvswitch/vtep.ovsschema of a newer Open vSwitch";
        Finding::warn(DatabaseSchema, format!("schema {schema} lacks {}", picture.missing.join(", ")), convert)
    });
    findings.extend(facts.tls.iter().map(|file| tls(file, facts.now)));
    for gateway in &facts.gateways {
        findings.extend(gateway_rows(facts, picture, gateway).into_iter().map(|finding| finding.about(&gateway.name)));
    }
    findings.sort_by_key(|finding| finding.check);
    findings
}

fn members(facts: &Facts) -> Vec<Finding> {
    let findings = facts.members.iter().map(|(server, outcome)| {
        match outcome {
            Ok(()) => Finding::ok(DatabaseMembers, "answers"),
            Err(reason) => Finding::warn(DatabaseMembers, format!("not reached: {reason}"), format!("start it again: on its machine, `systemctl status` and the log of ovsdb-server; `ovsdb-client list-dbs {server}`")),
        }
        .about(server)
    });
    findings.collect()
}

fn tls(file: &TlsFile, now: i64) -> Finding {
    let path = &file.path;
    let mode = match &file.mode {
        Ok(mode) => mode,
        Err(reason) => {
            return Finding::bad(
                TlsFiles,
                format!("can't be read: {reason}"),
                "correct the path in [database], or the file's owner and mode",
            )
            .about(path);
        }
    };
    let finding = if file.secret && mode & 0o077 != 0 {
        Finding::warn(
            TlsFiles,
            format!("the private key has mode {:o}: others than its owner may read it", mode & 0o777),
            format!("`chmod 600 {path}`"),
        )
    } else {
        match file.ends {
            Some(end) if end <= now => Finding::bad(
                TlsFiles,
                format!("expired {} days ago", (now - end) / DAY),
                "have a new one signed; the agent reads the files at each attempt to connect",
            ),
            Some(end) if end - now < SOON => Finding::warn(
                TlsFiles,
                format!("expires in {} days", (end - now) / DAY),
                "have a new one signed; the agent reads the files at each attempt to connect",
            ),
            Some(end) => Finding::ok(TlsFiles, format!("valid for {} days more", (end - now) / DAY)),
            None if file.secret => Finding::ok(TlsFiles, "readable by its owner only"),
            None => Finding::unknown(
                TlsFiles,
                "it holds no certificate that can be read",
                format!("`openssl x509 -noout -enddate -in {path}`"),
            ),
        }
    };
    finding.about(path)
}

fn gateway_rows(facts: &Facts, picture: &Picture, gateway: &Gateway) -> Vec<Finding> {
    let (name, remote) = (&gateway.name, &facts.remote);
    let vtep_ctl = format!("vtep-ctl --db={remote}");
    let mut findings = clash(picture, gateway);
    let Some((uuid, own)) = picture.switches.iter().find(|(_, row)| row.name == *name) else {
        let what = format!("there is no row {name:?} in Physical_Switch");
        findings.push(if facts.agent {
            Finding::bad(DatabaseSwitch, what, "the agent makes it, unless it is a standby: its log says what keeps it from that (`journalctl -u vtep-gateway`)")
        } else {
            Finding::warn(DatabaseSwitch, what, "nothing, if no agent has run yet: it makes the row when it starts")
        });
        return findings;
    };
    findings.push(if picture.global.contains(uuid) {
        Finding::ok(DatabaseSwitch, "it is registered")
    } else {
        Finding::bad(
            DatabaseSwitch,
            "Global.switches does not refer to its row: controllers may not see it",
            format!("`{vtep_ctl} add Global . switches {uuid}`"),
        )
    });
    findings.push(tunnel_ips(&vtep_ctl, gateway, own));
    let ports: Vec<&(String, BTreeMap<i64, Uuid>)> =
        own.ports.iter().filter_map(|port| picture.ports.get(port)).collect();
    findings.push(port_rows(facts, gateway, &ports));
    findings.push(bindings(&vtep_ctl, gateway, &ports));
    findings.extend(keys(picture, &ports));
    findings
}

fn tunnel_ips(vtep_ctl: &str, gateway: &Gateway, own: &PhysicalSwitch) -> Finding {
    let list = |ips: &BTreeSet<String>| {
        if ips.is_empty() { "empty".to_owned() } else { ips.iter().cloned().collect::<Vec<_>>().join(", ") }
    };
    if own.tunnel_ips == gateway.tunnel_ips {
        return Finding::ok(DatabaseTunnelIps, format!("tunnel_ips is {}", list(&own.tunnel_ips)));
    }
    let quoted: Vec<String> = gateway.tunnel_ips.iter().map(|ip| format!("\"{ip}\"")).collect();
    Finding::bad(
        DatabaseTunnelIps,
        format!("tunnel_ips is {}, and gateway.vtep {}", list(&own.tunnel_ips), list(&gateway.tunnel_ips)),
        format!(
            "a running agent that is active corrects it; by hand: `{vtep_ctl} set Physical_Switch {} tunnel_ips='[{}]'`. If the database is right, correct gateway.vtep",
            gateway.name,
            quoted.join(",")
        ),
    )
}

fn clash(picture: &Picture, gateway: &Gateway) -> Vec<Finding> {
    let others = picture.switches.values().filter(|row| row.name != gateway.name);
    let clashes = others.flat_map(|row| row.tunnel_ips.intersection(&gateway.tunnel_ips).map(move |ip| (ip, row)));
    let findings: Vec<Finding> = clashes
        .map(|(ip, row)| {
            Finding::bad(
                DatabaseClash,
                format!("physical switch {:?} has the tunnel address {ip} too", row.name),
                format!("nodes of one gateway share one name: give all of them `switch = {:?}`; a leftover goes with `vtep-ctl del-ps {:?}`", gateway.name, row.name),
            )
        })
        .collect();
    if findings.is_empty() {
        vec![Finding::ok(DatabaseClash, "no other physical switch has its tunnel addresses")]
    } else {
        findings
    }
}

fn port_rows(facts: &Facts, gateway: &Gateway, ports: &[&(String, BTreeMap<i64, Uuid>)]) -> Finding {
    let missing: Vec<&str> = gateway
        .ports
        .iter()
        .filter(|name| !ports.iter().any(|(known, _)| known == *name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Finding::ok(DatabasePorts, "each port has its row");
    }
    let what = format!("no row for {}", missing.join(", "));
    if facts.agent {
        Finding::bad(
            DatabasePorts,
            what,
            "the agent makes them, unless it is a standby: its log says what keeps it from that",
        )
    } else {
        Finding::warn(DatabasePorts, what, "nothing, if the configuration is new: the agent makes them when it starts")
    }
}

fn bindings(vtep_ctl: &str, gateway: &Gateway, ports: &[&(String, BTreeMap<i64, Uuid>)]) -> Finding {
    let count: usize = ports.iter().map(|(_, bindings)| bindings.len()).sum();
    let strangers = ports.iter().filter(|(name, bindings)| !bindings.is_empty() && !gateway.ports.contains(name));
    let strangers: Vec<&str> = strangers.map(|(name, _)| name.as_str()).collect();
    let port = gateway.ports.first().map_or("PORT", String::as_str);
    if count == 0 {
        return Finding::warn(
            DatabaseBindings,
            "no VLAN is bound: nothing is forwarded",
            format!("`{vtep_ctl} bind-ls {} {port} VLAN SWITCH`, after `add-ls SWITCH`", gateway.name),
        );
    }
    if !strangers.is_empty() {
        return Finding::warn(
            DatabaseBindings,
            format!("VLANs are bound on {}, which this gateway does not have as a [[port]]", strangers.join(", ")),
            format!(
                "add a [[port]] of that name, or bind on another: `{vtep_ctl} unbind-ls {} {} VLAN`",
                gateway.name, strangers[0]
            ),
        );
    }
    Finding::ok(DatabaseBindings, format!("{count} VLANs are bound"))
}

fn keys(picture: &Picture, ports: &[&(String, BTreeMap<i64, Uuid>)]) -> Option<Finding> {
    let bound: BTreeSet<&Uuid> = ports.iter().flat_map(|(_, bindings)| bindings.values()).collect();
    if bound.is_empty() {
        return None;
    }
    let logical = bound.iter().filter_map(|uuid| picture.logical.get(*uuid));
    let without: Vec<&str> = logical.filter(|(_, key)| key.unwrap_or(0) == 0).map(|(name, _)| name.as_str()).collect();
    Some(if without.is_empty() {
        Finding::ok(DatabaseKeys, "all bound logical switches have a tunnel_key")
    } else {
        Finding::bad(
            DatabaseKeys,
            format!("no tunnel_key: {}", without.join(", ")),
            "is ovn-controller-vtep running and connected to both databases (its log)? Does a logical switch port of type vtep \
             name this switch: `ovn-nbctl find Logical_Switch_Port type=vtep`, options vtep-physical-switch and \
             vtep-logical-switch?",
        )
    })
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
