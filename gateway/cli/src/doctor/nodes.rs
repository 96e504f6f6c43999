//! Evaluates the tunnel addresses, and conflicts with other hosts.

use std::net::IpAddr;

use gateway_api::view::{Role, Router};
use gateway_common::net::MacAddr;
use gateway_vrrp::AuthMode;

use super::{
    check::Check::{AddressClash, Lease, NodesAuthenticated, VrrpHeard, VtepAddress},
    finding::Finding,
    probe_error::ProbeError,
};

/// Least number of advertisements from an active node while the doctor listens.
const AT_ONCE: u32 = 2;

/// Facts about one instance: tunnel addresses that move together.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) name: String,
    /// The interface on which its addresses are probed.
    pub(super) interface: String,
    pub(super) addresses: Vec<Address>,
    pub(super) vrrp: Option<VrrpFacts>,
    /// True if an agent runs.
    pub(super) agent: bool,
}

/// Tunnel address.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    /// True if this machine has it.
    pub(super) here: bool,
    /// Other hosts that answer for it, or the reason why it was not probed.
    pub(super) claims: Result<Vec<MacAddr>, ProbeError>,
}

/// Facts about the virtual router of the instance.
#[derive(Clone, Debug)]
pub(super) struct VrrpFacts {
    pub(super) vrid: u8,
    /// State that the agent reports; `None` if no agent runs.
    pub(super) reported: Option<Router>,
    /// Authentication of advertisements.
    pub(super) auth: Auth,
    /// VRRP peers whose advertisements were received, or the error of listening.
    pub(super) peers: Result<Vec<Peer>, ProbeError>,
    /// Problems of the received advertisements, one sentence each.
    pub(super) problems: Vec<String>,
}

impl VrrpFacts {
    /// Returns this node's role, as the agent reports it.
    fn role(&self) -> Option<Role> {
        self.reported.as_ref().map(|router| router.role)
    }
}

/// Authentication between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// Advertisements without a valid key are discarded.
    Enforced,
    /// Advertisements are accepted without a key, with the reason.
    Open(&'static str),
    /// Keys are configured, but the doctor cannot read them.
    Unreadable(String),
}

impl Auth {
    /// Converts the configured mode of authentication, if there is one.
    pub(super) const fn of(mode: Option<AuthMode>) -> Self {
        match mode {
            Some(AuthMode::Enforce) => Self::Enforced,
            Some(AuthMode::Permissive) => Self::Open("auth_mode is permissive"),
            Some(AuthMode::ReceiveOnly) => Self::Open("auth_mode is receive-only"),
            None => Self::Open("it has no auth_keys"),
        }
    }
}

/// VRRP peer from which advertisements were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) from: IpAddr,
    pub(super) priority: u8,
    /// Number of advertisements while the doctor listened.
    pub(super) count: u32,
    /// True if it advertises other addresses: another virtual router with the same number.
    pub(super) foreign: bool,
}

pub(super) fn evaluate(all: &[Facts]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().flat_map(one).collect();
    findings.sort_by_key(|finding| finding.check);
    findings
}

fn one(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for address in &facts.addresses {
        findings.push(place(facts, address).about(address.ip));
        findings.push(clash(facts, address).about(address.ip));
    }
    if let Some(vrrp) = &facts.vrrp {
        findings.extend(advertisements(facts, vrrp).into_iter().map(|finding| finding.about(&facts.name)));
        findings.push(authenticated(vrrp).about(&facts.name));
        findings.extend(lease(vrrp).map(|finding| finding.about(&facts.name)));
    }
    findings
}

fn authenticated(vrrp: &VrrpFacts) -> Finding {
    match &vrrp.auth {
        Auth::Enforced => Finding::ok(NodesAuthenticated, "only nodes with the same key are accepted"),
        Auth::Open(why) => Finding::warn(
            NodesAuthenticated,
            format!(
                "{why}: any host on the link can take the role, keep it from all nodes, and read what nodes send each other"
            ),
            "give all nodes the same auth_keys, step by step: see Security in HIGH-AVAILABILITY.md",
        ),
        Auth::Unreadable(why) => Finding::unknown(
            NodesAuthenticated,
            format!("received advertisements can't be checked: {why}"),
            "run the doctor as root; correct auth_keys if the agent does not start either",
        ),
    }
}

fn place(facts: &Facts, address: &Address) -> Finding {
    let (ip, interface) = (address.ip, &facts.interface);
    let prefix = if ip.is_ipv4() { 32 } else { 128 };
    let role = facts.vrrp.as_ref().map(VrrpFacts::role);
    match (role, address.here) {
        (None, true) => Finding::ok(VtepAddress, "it is an address of this machine"),
        (None, false) => Finding::bad(
            VtepAddress,
            "no interface of this machine has it",
            format!(
                "`ip addr add {ip}/{prefix} dev {interface}`, and the same in the network configuration; or correct gateway.vtep"
            ),
        ),
        (Some(Some(Role::Active)), false) => Finding::bad(
            VtepAddress,
            "this node is active and no interface has it",
            format!("it was taken off: `vtep-gateway handover`, or `ip addr add {ip}/{prefix} dev {interface}`"),
        ),
        (Some(Some(Role::Active)), true) => Finding::ok(VtepAddress, "this node is active, and has it"),
        (Some(Some(role)), true) => Finding::warn(
            VtepAddress,
            format!("this node is {}, and has it all the same", role.name()),
            format!(
                "if it is in the network configuration, take it out there: the agent puts it on. Now: `ip addr del {ip}/{prefix} dev {interface}`"
            ),
        ),
        (Some(None), true) => Finding::warn(
            VtepAddress,
            "no agent runs, and this machine still has it",
            "start the agent, or `vtep-gateway detach`, which takes it off",
        ),
        (Some(Some(role)), false) => {
            Finding::ok(VtepAddress, format!("this node is {}, and does not have it", role.name()))
        }
        (Some(None), false) => Finding::ok(VtepAddress, "this machine does not have it while no agent runs"),
    }
}

fn clash(facts: &Facts, address: &Address) -> Finding {
    let (ip, interface) = (address.ip, &facts.interface);
    let find = |macs: &[MacAddr]| {
        let macs: Vec<String> = macs.iter().map(ToString::to_string).collect();
        format!("find {} in the switches' MAC tables, and take {ip} off there", macs.join(" and "))
    };
    let claims = match &address.claims {
        Ok(claims) => claims,
        Err(reason) => {
            let tool = if ip.is_ipv4() { "arping -D" } else { "ndisc6" };
            let remedy = format!("`{tool} -I {interface} {ip}` asks the same");
            return Finding::unknown(AddressClash, format!("nobody was asked for it on {interface}: {reason}"), remedy);
        }
    };
    let others = facts.vrrp.as_ref().map(active_others).unwrap_or_default();
    match (claims.as_slice(), address.here) {
        ([], false) if !others.is_empty() => Finding::warn(
            AddressClash,
            format!("{} is active, and nobody answers for it on {interface}", list(&others)),
            "look there: `vtep-gateway status` and `ip addr`; remote VTEPs can't find it either",
        ),
        ([], _) => Finding::ok(AddressClash, format!("nobody else answers for it on {interface}")),
        (macs @ [_, ..], true) => {
            let list: Vec<String> = macs.iter().map(ToString::to_string).collect();
            Finding::bad(
                AddressClash,
                format!("this machine has it, and {} answers for it too", list.join(" and ")),
                find(macs),
            )
        }
        (macs @ [_, _, ..], false) => {
            Finding::bad(AddressClash, format!("{} machines answer for it", macs.len()), find(macs))
        }
        ([mac], false) if facts.vrrp.is_none() => {
            Finding::bad(AddressClash, format!("it is this gateway's, and {mac} answers for it"), find(&[*mac]))
        }
        ([mac], false) if !others.is_empty() => {
            Finding::ok(AddressClash, format!("{mac} answers for it, and {} is active", list(&others)))
        }
        ([mac], false) if facts.vrrp.as_ref().is_some_and(|vrrp| vrrp.peers.is_err()) => Finding::unknown(
            AddressClash,
            format!("{mac} answers for it, and whether that is the active node is not known"),
            "`vtep-gateway status` on the other nodes says who is active",
        ),
        ([mac], false) => Finding::bad(
            AddressClash,
            format!("{mac} answers for it, and no node advertises it"),
            format!(
                "{}; if it is a node of this gateway whose agent does not run, `vtep-gateway detach` there",
                find(&[*mac])
            ),
        ),
    }
}

/// Returns the other nodes that are active.
fn active_others(vrrp: &VrrpFacts) -> Vec<IpAddr> {
    let peers = vrrp.peers.as_deref().unwrap_or_default();
    peers.iter().filter(|one| !one.foreign && one.priority > 0).map(|one| one.from).collect()
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn advertisements(facts: &Facts, vrrp: &VrrpFacts) -> Vec<Finding> {
    let (vrid, interface) = (vrrp.vrid, &facts.interface);
    let all = match &vrrp.peers {
        Ok(all) => all,
        Err(reason) => {
            let remedy = format!("`tcpdump -ni {interface} ip proto 112` shows advertisements");
            return vec![Finding::unknown(
                VrrpHeard,
                format!("advertisements can't be listened for: {reason}"),
                remedy,
            )];
        }
    };
    let foreign = all.iter().filter(|one| one.foreign).map(|one| {
        Finding::bad(
            VrrpHeard,
            format!("{} uses VRID {vrid} for other addresses", one.from),
            format!("take another vrid in [[vrrp]], the same on all nodes; `tcpdump -vni {interface} ip proto 112` shows which are taken"),
        )
    });
    let mut findings: Vec<Finding> = foreign.collect();
    let problems = vrrp.problems.iter().map(|problem| {
        Finding::warn(
            VrrpHeard,
            problem.clone(),
            "make the nodes' [[vrrp]] the same but for priority; docs/HIGH-AVAILABILITY.md, \"Misconfiguration that is reported\"",
        )
    });
    findings.extend(problems);
    let mut active: Vec<String> = all
        .iter()
        .filter(|one| !one.foreign && one.priority > 0 && one.count >= AT_ONCE)
        .map(|one| one.from.to_string())
        .collect();
    if vrrp.role() == Some(Role::Active) {
        active.push("this node".to_owned());
    }
    if active.len() > 1 {
        findings.push(Finding::bad(
            VrrpHeard,
            format!("{} are active at once", active.join(" and ")),
            format!("they hear each other one way or not at all: check filters for protocol 112 and multicast (IGMP snooping) between them, or name them in `peers`; `tcpdump -ni {interface} ip proto 112` on each"),
        ));
    } else if active.is_empty() && facts.agent && all.iter().all(|one| one.foreign) {
        let role = vrrp.role().map_or("unknown", Role::name);
        findings.push(Finding::bad(
            VrrpHeard,
            format!("no node is active, and this one is {role}"),
            "`vtep-gateway status` says what keeps it from being active",
        ));
    }
    if findings.is_empty() {
        let who = match active.first() {
            Some(active) => format!("{active} is active for VRID {vrid}, and nobody else advertises"),
            None if all.is_empty() => format!("nobody advertises VRID {vrid}"),
            None => format!("VRID {vrid} changes hands"),
        };
        findings.push(Finding::ok(VrrpHeard, who));
    }
    findings
}

fn lease(vrrp: &VrrpFacts) -> Option<Finding> {
    let router = vrrp.reported.as_ref()?;
    Some(match (router.role, router.lease_left_ms) {
        (Role::Active, Some(left)) => Finding::ok(Lease, format!("active, with a lease for {left} ms more")),
        (Role::Active, None) => Finding::bad(
            Lease,
            "this node is active and has no lease: it does not forward",
            "its advertisements do not leave: is the interface up, and does its driver send? See send_err in `vtep-gateway status --json`",
        ),
        (role, _) => Finding::ok(Lease, format!("{}: it does not forward", role.name())),
    })
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
