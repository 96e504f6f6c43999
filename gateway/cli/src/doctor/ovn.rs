//! Evaluates the settings of OVN that a gateway depends on.

use std::collections::BTreeSet;

use super::{
    check::Check::{OvnChassis, OvnEncap, OvnVxlanMode},
    finding::Finding,
    probe_error::ProbeError,
};

/// Most chassis named; the rest is only counted.
const NAMED: usize = 8;

/// Facts about OVN. A part is `None` if it was not requested with `--ovn-nb` or `--ovn-sb`.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// `options:vxlan_mode` of the northbound database.
    pub(super) vxlan_mode: Option<Result<Option<String>, ProbeError>>,
    /// The chassis of the southbound database.
    pub(super) chassis: Option<Result<Vec<Chassis>, ProbeError>>,
    /// This gateway's physical switches with their tunnel addresses.
    pub(super) gateways: Vec<(String, BTreeSet<String>)>,
}

/// Row of `Chassis` with its rows of `Encap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chassis {
    pub(super) name: String,
    pub(super) hostname: String,
    /// Types and addresses.
    pub(super) encaps: BTreeSet<(String, String)>,
    /// True for a chassis of another availability zone, which is reached by interconnection and never by a gateway.
    pub(super) remote: bool,
}

pub(super) fn evaluate(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![vxlan_mode(facts)];
    match &facts.chassis {
        None => findings.push(Finding::unknown(
            OvnEncap,
            "not asked",
            "`vtep-gateway doctor --ovn-sb REMOTE`, or `ovn-sbctl --columns=chassis_name,type,ip list Encap`: each hypervisor needs \
             type vxlan",
        )),
        Some(Err(reason)) => findings.push(Finding::unknown(
            OvnEncap,
            format!("the southbound database is not reached: {reason}"),
            "`ovn-sbctl --columns=chassis_name,type,ip list Encap` on the central node: each hypervisor needs type vxlan",
        )),
        Some(Ok(chassis)) => {
            findings.push(encaps(facts, chassis));
            findings.extend(facts.gateways.iter().map(|(name, ips)| own(name, ips, chassis).about(name)));
        }
    }
    findings
}

fn vxlan_mode(facts: &Facts) -> Finding {
    let set = "`ovn-nbctl set NB_Global . options:vxlan_mode=false` (OVN 24.09 or newer)";
    match &facts.vxlan_mode {
        None => Finding::unknown(
            OvnVxlanMode,
            "not asked",
            "`vtep-gateway doctor --ovn-nb REMOTE`, or `ovn-nbctl get NB_Global . options:vxlan_mode`: it should be false",
        ),
        Some(Err(reason)) => Finding::unknown(
            OvnVxlanMode,
            format!("the northbound database is not reached: {reason}"),
            "`ovn-nbctl get NB_Global . options:vxlan_mode` on the central node: it should be false",
        ),
        Some(Ok(Some(value))) if value == "false" => Finding::ok(OvnVxlanMode, "vxlan_mode is false"),
        Some(Ok(Some(value))) => {
            Finding::warn(OvnVxlanMode, format!("vxlan_mode is {value}: 4095 networks at most"), set)
        }
        Some(Ok(None)) => Finding::warn(OvnVxlanMode, "vxlan_mode is not set: 4095 networks at most", set),
    }
}

fn encaps(facts: &Facts, all: &[Chassis]) -> Finding {
    let is_own = |chassis: &&Chassis| facts.gateways.iter().any(|(name, _)| *name == chassis.name);
    let others: Vec<&Chassis> = all.iter().filter(|chassis| !chassis.remote && !is_own(chassis)).collect();
    let has = |chassis: &Chassis| chassis.encaps.iter().any(|(kind, _)| kind == "vxlan");
    let without: Vec<&str> = others.iter().filter(|chassis| !has(chassis)).map(|chassis| named(chassis)).collect();
    if others.is_empty() {
        return Finding::unknown(
            OvnEncap,
            "there is no chassis but this gateway's",
            "is this the right database? `ovn-sbctl show`",
        );
    }
    if without.is_empty() {
        return Finding::ok(OvnEncap, format!("all {} other chassis speak vxlan", others.len()));
    }
    let more = without.len().saturating_sub(NAMED);
    let list = without[..without.len().min(NAMED)].join(", ");
    let list = if more > 0 { format!("{list} and {more} more") } else { list };
    Finding::bad(
        OvnEncap,
        format!("no vxlan encapsulation: {list}"),
        "there: `ovs-vsctl set Open_vSwitch . external_ids:ovn-encap-type=geneve,vxlan`",
    )
}

fn named(chassis: &Chassis) -> &str {
    if chassis.hostname.is_empty() { &chassis.name } else { &chassis.hostname }
}

fn own(name: &str, ips: &BTreeSet<String>, all: &[Chassis]) -> Finding {
    let has_ip = |chassis: &&Chassis| chassis.encaps.iter().any(|(_, ip)| ips.contains(ip));
    if let Some(other) = all.iter().filter(|chassis| chassis.name != name).find(has_ip) {
        return Finding::bad(
            OvnChassis,
            format!("chassis {} has this gateway's tunnel address", named(other)),
            format!(
                "one of the two is wrong: `ovn-sbctl show`; a leftover goes with `ovn-sbctl chassis-del {}`",
                other.name
            ),
        );
    }
    match all.iter().find(|chassis| chassis.name == name) {
        None => Finding::bad(
            OvnChassis,
            "there is no chassis of this name",
            "start ovn-controller-vtep, with --vtep-db naming the gateway's database and --ovnsb-db the southbound one; its log says \
             what it lacks",
        ),
        Some(chassis) if !has_ip(&chassis) => {
            let found: Vec<&str> = chassis.encaps.iter().map(|(_, ip)| ip.as_str()).collect();
            Finding::bad(
                OvnChassis,
                format!(
                    "its encapsulation has {}, and not the tunnel address",
                    if found.is_empty() { "no address".to_owned() } else { found.join(", ") }
                ),
                "ovn-controller-vtep takes it from tunnel_ips: is another one running, with another database?",
            )
        }
        Some(_) => Finding::ok(OvnChassis, "its chassis is there, with its address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Check, Mark};

    fn chassis(name: &str, encaps: &[(&str, &str)]) -> Chassis {
        let encaps = encaps.iter().map(|(kind, ip)| ((*kind).to_owned(), (*ip).to_owned())).collect();
        Chassis { name: name.to_owned(), hostname: String::new(), encaps, remote: false }
    }

    fn facts(all: Vec<Chassis>) -> Facts {
        let gateways = vec![("gw1".to_owned(), ["192.0.2.21".to_owned()].into())];
        Facts { vxlan_mode: Some(Ok(Some("false".to_owned()))), chassis: Some(Ok(all)), gateways }
    }

    fn sound() -> Vec<Chassis> {
        vec![
            chassis("gw1", &[("vxlan", "192.0.2.21")]),
            chassis("hv1", &[("geneve", "192.0.2.11"), ("vxlan", "192.0.2.11")]),
        ]
    }

    fn found(facts: &Facts) -> Vec<(Check, Mark)> {
        evaluate(facts).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
    }

    #[test]
    fn a_sound_cloud_is_fine() {
        assert_eq!(found(&facts(sound())), []);
    }

    #[test]
    fn each_fault_is_found_alone() {
        let with = |one: Chassis| sound().into_iter().filter(|old| old.name != one.name).chain([one.clone()]).collect();
        let cases = [
            (Facts { vxlan_mode: Some(Ok(None)), ..facts(sound()) }, OvnVxlanMode, Mark::Warn),
            (Facts { vxlan_mode: Some(Ok(Some("true".to_owned()))), ..facts(sound()) }, OvnVxlanMode, Mark::Warn),
            (Facts { vxlan_mode: None, ..facts(sound()) }, OvnVxlanMode, Mark::Unknown),
            (facts(with(chassis("hv1", &[("geneve", "192.0.2.11")]))), OvnEncap, Mark::Bad),
            (facts(sound().into_iter().skip(1).collect()), OvnChassis, Mark::Bad),
            (facts(with(chassis("gw1", &[("vxlan", "192.0.2.9")]))), OvnChassis, Mark::Bad),
            (facts(with(chassis("hv2", &[("vxlan", "192.0.2.21")]))), OvnChassis, Mark::Bad),
        ];
        for (facts, check, mark) in cases {
            assert_eq!(found(&facts), [(check, mark)], "{facts:?}");
        }
    }

    #[test]
    fn chassis_of_other_zones_do_not_count() {
        let mut all = sound();
        all.push(Chassis { remote: true, ..chassis("az2", &[("geneve", "192.0.2.99")]) });
        assert_eq!(found(&facts(all)), []);
    }
}
