//! Evaluates the rest of the machine: packet filters, routing, and the configuration file.

use gateway_config::ConfigError;
use serde_json::Value;

use super::{
    check::Check::{ConfigFile, Firewall, IpForward, RpFilter},
    finding::Finding,
    probe_error::ProbeError,
};

/// Value of `rp_filter` for strict mode, which drops packets whose reply would leave by another interface
/// (Documentation/networking/ip-sysctl.rst).
const STRICT: u32 = 1;
/// Mode bits that let the group or all others write a file.
const WRITABLE: u32 = 0o022;

/// Facts about the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) filters: Vec<VrrpFilter>,
    /// Output of `nft -j list ruleset`, or its error.
    pub(super) rules: Option<Result<Value, ProbeError>>,
    /// `net.ipv4.ip_forward`.
    pub(super) forwards: bool,
    /// Access ports that have an IP address.
    pub(super) ports_with_addresses: Vec<String>,
    /// The configuration file, and its mode.
    pub(super) config: Option<(String, u32)>,
}

/// Packet filter that VRRP of a virtual router has to pass.
#[derive(Clone, Debug)]
pub(super) struct VrrpFilter {
    pub(super) interface: String,
    /// True if it has configured peers, which need not be on the link, or a virtual MAC.
    pub(super) beyond_the_link: bool,
    pub(super) rp_filter: Option<u32>,
}

/// Returns the findings on tunnel addresses and other nodes.
pub(super) fn evaluate_nodes(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.filters.iter().filter_map(rp_filter).collect();
    findings.extend(firewall(facts));
    findings.push(forward(facts));
    findings
}

/// Returns the findings on the configuration.
pub(super) fn evaluate_config(facts: &Facts) -> Vec<Finding> {
    let Some((path, mode)) = &facts.config else { return Vec::new() };
    vec![if mode & WRITABLE == 0 {
        Finding::ok(ConfigFile, format!("{path}: only its owner may change it"))
    } else {
        Finding::warn(
            ConfigFile,
            format!("{path}: its group or everybody may change it"),
            format!("`chmod go-w {path}`"),
        )
    }]
}

/// Returns the finding on an invalid configuration file.
pub(super) fn invalid(error: &ConfigError, running: bool) -> Finding {
    let goes_on =
        if running { "; the running agent goes on with what it read last, and would not start again" } else { "" };
    Finding::bad(
        ConfigFile,
        format!("not valid{goes_on}: {error}"),
        "correct it until `vtep-gateway check-config` finds nothing; of what is wrong nothing was looked at here",
    )
}

fn rp_filter(filter: &VrrpFilter) -> Option<Finding> {
    let (interface, value) = (&filter.interface, filter.rp_filter?);
    let finding = if value == STRICT && filter.beyond_the_link {
        Finding::warn(
            RpFilter,
            "it is strict",
            format!("`sysctl -w net.ipv4.conf.{interface}.rp_filter=2`, and the same in /etc/sysctl.d"),
        )
    } else {
        Finding::ok(RpFilter, format!("rp_filter is {value}"))
    };
    Some(finding.about(interface))
}

fn firewall(facts: &Facts) -> Option<Finding> {
    if facts.filters.is_empty() {
        return None;
    }
    Some(match facts.rules.as_ref()? {
        Err(reason) => Finding::unknown(
            Firewall,
            format!("the rules can't be read: {reason}"),
            "`nft list ruleset`, or `iptables-save`: input has to accept protocol 112 and TCP port 8477 from the other nodes",
        ),
        Ok(rules) => match closed_tables(rules, facts).as_slice() {
            [] => Finding::ok(Firewall, "no input chain of nftables drops by default without a rule for VRRP"),
            tables => Finding::warn(
                Firewall,
                format!(
                    "table {} drops what comes in unless a rule accepts it, and none seems to accept VRRP",
                    tables.join(", ")
                ),
                "accept protocol 112, and TCP port 8477, from the other nodes: `nft insert rule FAMILY TABLE CHAIN ip protocol 112 accept`",
            ),
        },
    })
}

/// Returns tables with an input chain that drops by default, and without a rule that mentions VRRP or the interface.
fn closed_tables(rules: &Value, facts: &Facts) -> Vec<String> {
    let objects = rules["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let closed = objects
        .iter()
        .map(|object| &object["chain"])
        .filter(|chain| chain["hook"] == "input" && chain["policy"] == "drop");
    let mut tables: Vec<String> = closed
        .filter(|chain| {
            let of_table = |rule: &&Value| rule["table"] == chain["table"] && rule["family"] == chain["family"];
            !objects.iter().map(|object| &object["rule"]).filter(of_table).any(|rule| lets_in(rule, facts))
        })
        .map(|chain| format!("{} {}", chain["family"].as_str().unwrap_or("?"), chain["table"].as_str().unwrap_or("?")))
        .collect();
    tables.dedup();
    tables
}

/// Returns true if a rule may accept VRRP: it accepts or jumps, and names the protocol, its groups or the interface.
fn lets_in(rule: &Value, facts: &Facts) -> bool {
    let text = rule["expr"].to_string();
    let interface = |filter: &VrrpFilter| text.contains(&format!("\"right\":\"{}\"", filter.interface));
    let named = ["\"vrrp\"", ":112", "[112", "224.0.0.18", "ff02::12"].iter().any(|word| text.contains(word));
    text.contains("\"accept\"") && (named || facts.filters.iter().any(interface))
}

fn forward(facts: &Facts) -> Finding {
    let ports = facts.ports_with_addresses.join(", ");
    match (facts.forwards, facts.ports_with_addresses.is_empty()) {
        (false, _) => Finding::ok(IpForward, "the machine does not route"),
        (true, true) => Finding::ok(IpForward, "the machine routes, and has no address on an access port"),
        (true, false) => Finding::warn(
            IpForward,
            format!("the machine routes, and has addresses on {ports}"),
            format!("take the addresses off {ports}, or `sysctl -w net.ipv4.ip_forward=0`; the gateway needs neither"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::{Check, Mark};

    fn facts(rules: Value) -> Facts {
        let filter = VrrpFilter { interface: "eth0".to_owned(), beyond_the_link: false, rp_filter: Some(1) };
        Facts { filters: vec![filter], rules: Some(Ok(rules)), ..Facts::default() }
    }

    fn ruleset(policy: &str, expr: Value) -> Value {
        json!({ "nftables": [
            { "metainfo": { "version": "1.0.6" } },
            { "table": { "family": "inet", "name": "filter" } },
            { "chain": { "family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": policy } },
            { "rule": { "family": "inet", "table": "filter", "chain": "input", "expr": expr } },
        ]})
    }

    fn found(facts: &Facts) -> Vec<(Check, Mark)> {
        evaluate_nodes(facts).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
    }

    #[test]
    fn an_open_chain_is_fine() {
        assert_eq!(found(&facts(ruleset("accept", json!([{ "drop": null }])))), []);
    }

    #[test]
    fn a_closed_chain_needs_a_rule_for_vrrp() {
        let accept = |matched: Value| json!([{ "match": matched }, { "accept": null }]);
        let ssh =
            accept(json!({ "op": "==", "left": { "payload": { "protocol": "tcp", "field": "dport" } }, "right": 22 }));
        assert_eq!(found(&facts(ruleset("drop", ssh))), [(Firewall, Mark::Warn)]);
        for right in [json!("vrrp"), json!(112), json!("eth0")] {
            let rule = accept(json!({ "op": "==", "left": { "meta": { "key": "l4proto" } }, "right": right }));
            assert_eq!(found(&facts(ruleset("drop", rule))), [], "{right}");
        }
    }

    #[test]
    fn strict_filtering_matters_beyond_the_link() {
        let mut facts = facts(json!({}));
        facts.filters[0].beyond_the_link = true;
        assert_eq!(found(&facts), [(RpFilter, Mark::Warn)]);
    }

    #[test]
    fn routing_matters_with_addresses_on_ports() {
        let facts = Facts { forwards: true, ports_with_addresses: vec!["eth1".to_owned()], ..Facts::default() };
        assert_eq!(found(&facts), [(IpForward, Mark::Warn)]);
    }

    #[test]
    fn a_file_for_everybody_is_a_warning() {
        let marks =
            |mode| evaluate_config(&Facts { config: Some(("/x".to_owned(), mode)), ..Facts::default() })[0].mark;
        assert_eq!((marks(0o100_640), marks(0o100_666)), (Mark::Ok, Mark::Warn));
    }
}
