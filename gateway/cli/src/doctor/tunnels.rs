//! Evaluates the paths to remote VTEPs.

use std::net::IpAddr;

use gateway_netdev::underlay::{Resolution, Why};

use super::{
    check::Check::{PathMtu, RemoteVtep, UplinkMtu},
    finding::Finding,
    probe_error::ProbeError,
};

/// Most good tunnels reported one by one; above it, only their number.
const LISTED: usize = 4;

/// Facts about the paths to remote VTEPs.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The widest access port: its name and MTU.
    pub(super) widest: Option<(String, u32)>,
    /// Uplinks and their MTUs.
    pub(super) uplinks: Vec<(String, u32)>,
    /// VXLAN overhead with the longest headers in use; `None`: there is no remote VTEP.
    pub(super) overhead: Option<u32>,
    pub(super) remotes: Vec<Remote>,
    /// Error from probing the underlay.
    pub(super) failed: Option<ProbeError>,
}

/// Facts about one remote VTEP.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) address: IpAddr,
    pub(super) resolution: Resolution,
    /// Longest packet that should reach it, in bytes, by the MTUs of ports and uplinks.
    pub(super) longest: u32,
    /// VXLAN overhead.
    pub(super) overhead: u32,
    pub(super) echo: Echo,
}

/// Result of echo requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// None were sent, with the reason.
    NotSent(String),
    /// Long requests are answered.
    Fits,
    /// A router on the path, or this machine, reports a smaller MTU.
    Narrow {
        /// The router; `None`: this machine.
        by: Option<IpAddr>,
        /// The MTU, in bytes.
        mtu: u32,
    },
    /// Short requests are answered, long ones are not.
    LongOnesLost,
    /// A router reports the remote VTEP as unreachable.
    Unreachable {
        /// The router.
        by: IpAddr,
    },
    /// No request is answered.
    Silent,
}

pub(super) fn evaluate(facts: &Facts) -> Vec<Finding> {
    if let Some(reason) = &facts.failed {
        return vec![Finding::unknown(
            RemoteVtep,
            format!("the underlay can't be asked: {reason}"),
            "run the doctor as root",
        )];
    }
    let mut findings = uplinks(facts);
    if facts.remotes.is_empty() {
        findings.push(Finding::unknown(
            RemoteVtep,
            "no remote VTEP is known",
            "see the findings on database and agent; without a database, `flood` and `macs` of [[switch]] name them",
        ));
        return findings;
    }
    findings.extend(few_or_all(
        RemoteVtep,
        facts.remotes.iter().map(resolved).collect(),
        "remote VTEPs have a next hop",
    ));
    let paths: Vec<Finding> = facts.remotes.iter().filter_map(path).collect();
    findings.extend(few_or_all(PathMtu, paths, "paths carry the longest packets"));
    findings
}

/// Returns all findings that are not in order, and the others one by one if there are few, else as a sum.
fn few_or_all(check: super::Check, all: Vec<Finding>, sum: &str) -> Vec<Finding> {
    let (fine, mut rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|finding| finding.mark == super::Mark::Ok);
    if fine.len() <= LISTED {
        rest.extend(fine);
    } else {
        rest.push(Finding::ok(check, format!("{} {sum}", fine.len())));
    }
    rest
}

fn uplinks(facts: &Facts) -> Vec<Finding> {
    let (Some((port, port_mtu)), Some(overhead)) = (&facts.widest, facts.overhead) else { return Vec::new() };
    let needed = port_mtu + overhead;
    let findings = facts.uplinks.iter().map(|(uplink, mtu)| {
        if *mtu >= needed {
            return Finding::ok(UplinkMtu, format!("MTU {mtu} has room for MTU {port_mtu} of {port}, which takes {needed}"))
                .about(uplink);
        }
        let fits = mtu.saturating_sub(overhead);
        Finding::warn(
            UplinkMtu,
            format!("MTU {mtu} is less than the {needed} that MTU {port_mtu} of port {port} takes: packets over {fits} bytes are dropped"),
            format!("`ip link set {uplink} mtu {needed}`, and the same on the whole underlay; or MTU {fits} on the hosts and VMs"),
        )
        .about(uplink)
    });
    findings.collect()
}

fn resolved(remote: &Remote) -> Finding {
    let finding = match &remote.resolution {
        Resolution::Resolved(hop) => Finding::ok(RemoteVtep, format!("next hop {}, MTU {}", hop.dst_mac, hop.mtu)),
        // Because of the echo requests, the kernel has tried to resolve it for seconds.
        Resolution::Unresolved(Why::NeighbourPending { address, link }) if asked_in_vain(&remote.echo) => {
            unresolved(&Why::NeighbourFailed { address: *address, link: link.clone() }, remote)
        }
        Resolution::Unresolved(why @ (Why::NotAsked | Why::NeighbourPending { .. })) => Finding::unknown(
            RemoteVtep,
            format!("not resolved yet: {why}"),
            format!("look again; `ping -c 1 {}` makes the kernel ask", remote.address),
        ),
        Resolution::Unresolved(why) => unresolved(why, remote),
    };
    finding.about(remote.address)
}

/// Returns true if there was no reply during all rounds; if ARP fails, the kernel reports it to this machine itself.
fn asked_in_vain(echo: &Echo) -> bool {
    matches!(echo, Echo::Silent | Echo::Unreachable { .. })
}

fn unsendable(resolution: &Resolution, echo: &Echo) -> bool {
    match resolution {
        Resolution::Resolved(_) => false,
        Resolution::Unresolved(Why::NeighbourPending { .. }) => asked_in_vain(echo),
        Resolution::Unresolved(why) => *why != Why::NotAsked,
    }
}

fn unresolved(why: &Why, remote: &Remote) -> Finding {
    // The reason ends with its remedy.
    let text = why.to_string();
    let (what, remedy) = text.split_once(": ").unwrap_or((&text, ""));
    let remedy = if remedy.is_empty() { format!("`ip route get {}`", remote.address) } else { remedy.to_owned() };
    Finding::bad(RemoteVtep, format!("nothing can be sent to it: {what}"), remedy)
}

fn path(remote: &Remote) -> Option<Finding> {
    let Remote { address, longest, .. } = remote;
    let fits = |mtu: u32| mtu.saturating_sub(remote.overhead);
    let size = longest.saturating_sub(if address.is_ipv4() { 28 } else { 48 });
    let try_it = format!("`ping -M do -s {size} {address}`");
    let finding = match &remote.echo {
        // Packets cannot be sent to it; that is already reported.
        echo if unsendable(&remote.resolution, echo) => return None,
        Echo::Fits if held(remote).is_some_and(|mtu| mtu < *longest) => Finding::warn(
            PathMtu,
            format!(
                "a packet of {longest} bytes gets there whole, and this machine's routes say {} is the most: longer ones are dropped",
                held(remote).unwrap_or_default()
            ),
            format!(
                "`ip route get {address}` shows it: take `mtu` out of that route, or `ip route flush cache` if it was only heard"
            ),
        ),
        Echo::Silent | Echo::NotSent(_) if held(remote).is_some_and(|mtu| mtu < *longest) => {
            let mtu = held(remote).unwrap_or_default();
            Finding::bad(
                PathMtu,
                format!("this machine's routes say that {mtu} bytes is the most, and {longest} are needed"),
                format!(
                    "`ip route get {address}` shows it; set MTU {longest} on every link there, or MTU {} on the hosts and VMs",
                    fits(mtu)
                ),
            )
        }
        Echo::Fits => Finding::ok(PathMtu, format!("a packet of {longest} bytes gets there whole")),
        Echo::Narrow { by, mtu } => {
            let who = by.map_or_else(|| "this machine".to_owned(), |by| by.to_string());
            Finding::bad(
                PathMtu,
                format!("packets of {longest} bytes do not get there: {who} says that {mtu} is the most"),
                format!(
                    "set MTU {longest} on every link to {address} (`tracepath -n {address}` shows where it narrows), or MTU {} on the hosts and VMs",
                    fits(*mtu)
                ),
            )
        }
        Echo::LongOnesLost => Finding::bad(
            PathMtu,
            format!("short packets get there and back, packets of {longest} bytes do not"),
            format!(
                "set MTU {longest} on every link to {address}, and on it; try with {try_it} and less. Or lower the MTU of hosts and VMs"
            ),
        ),
        Echo::Unreachable { by } => Finding::bad(
            PathMtu,
            format!("{by} says that it can't be reached"),
            format!("`tracepath -n {address}`; look at the routes of {by}"),
        ),
        Echo::Silent => Finding::unknown(
            PathMtu,
            "it does not answer echo requests, long or short",
            format!(
                "is it up? If something filters ICMP, let it through, or try from there: `ping -M do -s {size} ADDRESS`"
            ),
        ),
        Echo::NotSent(why) => Finding::unknown(PathMtu, format!("not tried: {why}"), try_it),
    };
    Some(finding.about(address))
}

/// Returns the longest packet to it by this machine's routes and cached path MTU.
fn held(remote: &Remote) -> Option<u32> {
    match &remote.resolution {
        Resolution::Resolved(hop) => Some(hop.mtu),
        Resolution::Unresolved(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::net::MacAddr;
    use gateway_netdev::underlay::Hop;

    use super::*;
    use crate::doctor::{Check, Mark};

    fn hop() -> Resolution {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        Resolution::Resolved(Hop {
            ifindex: 2,
            vlan: 0,
            src_mac: mac,
            dst_mac: mac,
            mtu: 1600,
            source: None,
            via: "192.0.2.11".parse().unwrap(),
        })
    }

    fn remote(resolution: Resolution, echo: Echo) -> Remote {
        Remote { address: "192.0.2.11".parse().unwrap(), resolution, longest: 1550, overhead: 50, echo }
    }

    fn facts(remotes: Vec<Remote>) -> Facts {
        Facts {
            widest: Some(("eth1".to_owned(), 1500)),
            uplinks: vec![("eth0".to_owned(), 1600)],
            overhead: Some(50),
            remotes,
            failed: None,
        }
    }

    fn found(facts: &Facts) -> Vec<(Check, Mark)> {
        evaluate(facts).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
    }

    #[test]
    fn a_sound_tunnel_is_fine() {
        assert_eq!(found(&facts(vec![remote(hop(), Echo::Fits)])), []);
    }

    #[test]
    fn results_of_echo_requests_are_evaluated() {
        let by = "192.0.2.1".parse().unwrap();
        for (echo, mark) in [
            (Echo::Narrow { by: Some(by), mtu: 1500 }, Mark::Bad),
            (Echo::LongOnesLost, Mark::Bad),
            (Echo::Unreachable { by }, Mark::Bad),
            (Echo::Silent, Mark::Unknown),
            (Echo::NotSent("x".to_owned()), Mark::Unknown),
        ] {
            assert_eq!(found(&facts(vec![remote(hop(), echo.clone())])), [(PathMtu, mark)], "{echo:?}");
        }
    }

    #[test]
    fn the_path_mtu_of_the_kernel_counts_too() {
        let narrow = || match hop() {
            Resolution::Resolved(hop) => Resolution::Resolved(Hop { mtu: 1400, ..hop }),
            other => other,
        };
        assert_eq!(found(&facts(vec![remote(narrow(), Echo::Fits)])), [(PathMtu, Mark::Warn)]);
        assert_eq!(found(&facts(vec![remote(narrow(), Echo::Silent)])), [(PathMtu, Mark::Bad)]);
    }

    #[test]
    fn the_remedy_for_a_narrow_path_has_the_numbers() {
        let findings = evaluate(&facts(vec![remote(hop(), Echo::Narrow { by: None, mtu: 1500 })]));
        let remedy = findings.iter().find(|one| one.mark == Mark::Bad).unwrap().remedy.clone().unwrap();
        assert!(remedy.contains("MTU 1550") && remedy.contains("MTU 1450"), "{remedy}");
    }

    #[test]
    fn an_unresolved_remote_vtep_is_reported_once_with_its_remedy() {
        let why = Why::NoRoute { down: vec![] };
        let findings = evaluate(&facts(vec![remote(Resolution::Unresolved(why), Echo::Silent)]));
        let bad: Vec<_> = findings.iter().filter(|one| one.mark != Mark::Ok).collect();
        assert_eq!(bad.len(), 1, "{bad:?}");
        assert_eq!(bad[0].remedy.as_deref(), Some("add one that leaves by an uplink"));
    }

    #[test]
    fn one_that_was_asked_for_seconds_does_not_answer() {
        let pending = || {
            Resolution::Unresolved(Why::NeighbourPending {
                address: "192.0.2.11".parse().unwrap(),
                link: "eth0".to_owned(),
            })
        };
        let not_sent = Echo::NotSent(String::new());
        for echo in [Echo::Silent, Echo::Unreachable { by: "192.0.2.1".parse().unwrap() }] {
            assert_eq!(found(&facts(vec![remote(pending(), echo)])), [(RemoteVtep, Mark::Bad)]);
        }
        assert_eq!(found(&facts(vec![remote(pending(), not_sent)]))[0], (RemoteVtep, Mark::Unknown));
    }

    #[test]
    fn a_narrow_uplink_is_a_warning_with_both_ways_out() {
        let narrow = Facts { uplinks: vec![("eth0".to_owned(), 1500)], ..facts(vec![remote(hop(), Echo::Fits)]) };
        assert_eq!(found(&narrow), [(UplinkMtu, Mark::Warn)]);
    }

    #[test]
    fn many_sound_tunnels_take_a_line() {
        let many = facts(vec![remote(hop(), Echo::Fits); 100]);
        assert_eq!(evaluate(&many).len(), 3);
    }

    #[test]
    fn the_lack_of_remote_vteps_is_reported() {
        assert_eq!(found(&facts(vec![])), [(RemoteVtep, Mark::Unknown)]);
    }
}
