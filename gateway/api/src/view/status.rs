//! Document of `status`.

use serde::{Deserialize, Serialize};

use super::{
    database::{Database, DatabaseState},
    health::{Problem, Severity},
    interfaces::Interface,
    vrrp::{Nodes, Role, Router},
};

/// State of the gateway: the output of `vtep-gateway status --json`, and the file `status.json` in the run directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of this document, [`SCHEMA`](super::SCHEMA).
    #[serde(default)]
    pub schema: u32,
    /// Name of this machine.
    pub node: String,
    /// Process id of the agent.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The kernel's release.
    pub kernel: String,
    /// Time since the agent's start.
    pub uptime_seconds: u64,
    /// True if there is no fault.
    pub healthy: bool,
    /// Problems, faults first: those of all parts below, and their consequences.
    pub problems: Vec<Problem>,
    /// The tunnel addresses of this gateway, of all instances.
    pub vteps: Vec<std::net::IpAddr>,
    /// UDP port of VXLAN. None: the agent is of an older version.
    pub udp_port: Option<u16>,
    /// Directory of its pinned maps. None: the agent is of an older version.
    pub pin_dir: Option<std::path::PathBuf>,
    /// The database.
    pub database: Database,
    /// Size of the programmed state.
    pub forwarding: Forwarding,
    /// Uplinks, then access ports, in the order of the configuration.
    pub interfaces: Vec<Interface>,
    /// The virtual routers; none where the tunnel addresses stay on this machine.
    #[serde(default)]
    pub vrrp: Vec<Router>,
    /// The other nodes; None where there are none, or `[sync]` is off.
    pub nodes: Option<Nodes>,
}

/// Size of the programmed state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarding {
    /// Logical switches.
    pub switches: u64,
    /// Bindings.
    pub bindings: u64,
    /// Bindings that the database has.
    pub bindings_bound: u64,
    /// Bindings in the database that forward while the lease of their instance runs.
    pub bindings_forwarding: u64,
    /// Tunnels.
    pub tunnels: u64,
    /// Tunnels whose next hop is not resolved.
    pub tunnels_unresolved: u64,
    /// Static MACs.
    pub macs: u64,
    /// Stations learned behind access ports.
    pub stations: u64,
    /// Capacity for MACs, static and learned.
    pub fdb_size: u64,
    /// Frames to known stations in ten of the last seconds. None: not measured yet.
    #[serde(default)]
    pub known_unicast: Option<Carried>,
    /// Reasons why more is not programmed, one sentence each.
    pub problems: Vec<String>,
}

/// Frames by the hook that forwarded them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// By XDP.
    pub xdp: u64,
    /// By TC.
    pub tc: u64,
}

/// Problem: no tunnel is resolved, so nothing can be sent to remote VTEPs.
pub const EVERY_TUNNEL: &str =
    "no tunnel has a next hop: nothing can be sent to any remote VTEP; `vtep-gateway show tunnels` says why for each";

impl Status {
    /// Collects the problems of all parts, adds their consequences, and decides if the gateway is healthy. `is_warning`
    /// selects those of [`Forwarding::problems`] that do not make it unhealthy.
    pub fn evaluate(&mut self, is_warning: impl Fn(&str) -> bool) {
        let mut problems = Vec::new();
        for text in &self.forwarding.problems {
            problems.push(if is_warning(text) { Problem::warning(text) } else { Problem::fault(text) });
        }
        let forwarding = &self.forwarding;
        if forwarding.tunnels > 0 && forwarding.tunnels_unresolved == forwarding.tunnels {
            problems.push(Problem::fault(EVERY_TUNNEL));
        }
        self.database_problems(&mut problems);
        self.router_problems(&mut problems);
        problems.extend(self.nodes.iter().flat_map(|nodes| &nodes.problems).map(Problem::warning));
        problems.sort();
        problems.dedup();
        self.healthy = problems.iter().all(|problem| problem.severity == Severity::Warning);
        self.problems = problems;
    }

    fn database_problems(&self, problems: &mut Vec<Problem>) {
        for (instance, database) in self.database.followed() {
            let of = instance.map(|instance| format!(" of {instance}")).unwrap_or_default();
            let left = database.hold_seconds_left;
            let why = database.unreachable.as_ref().map_or_else(
                || ": is a server there, and may this node connect?".to_owned(),
                |why| format!(" ({}: {})", why.remote, why.reason),
            );
            let until = left.map_or("until it is back".to_owned(), |left| format!("for another {left} s"));
            let left = left.unwrap_or_default();
            match database.state {
                DatabaseState::Following => {}
                DatabaseState::Waiting => problems.push(Problem::fault(format!(
                    "the database{of} has not been reached yet{why}"
                ))),
                DatabaseState::Gone => problems.push(Problem::fault(format!(
                    "the database{of} can't be reached{why}: forwarding stays as it is {until}"
                ))),
                DatabaseState::Kept => problems.push(Problem::fault(format!(
                    "the database{of} was emptied, or this gateway's row in it deleted: what is gone forwards as it did for \
                     another {left} s"
                ))),
                DatabaseState::Expired => problems.push(Problem::fault(format!(
                    "the database{of} could not be reached for longer than hold_time{why}: nothing is forwarded"
                ))),
            }
            problems.extend(database.faults.iter().map(Problem::fault));
            problems.extend(database.problems.iter().map(Problem::warning));
            if database.unreadable_rows > 0 {
                problems.push(Problem::warning(format!(
                    "{} rows of the database{of} are skipped: they do not hold what they should; the log names them",
                    database.unreadable_rows
                )));
            }
        }
    }

    fn router_problems(&self, problems: &mut Vec<Problem>) {
        for router in &self.vrrp {
            let name = &router.name;
            let (faults, rest): (Vec<_>, Vec<_>) =
                router.problems.iter().partition(|text| router.faults.contains(*text));
            problems.extend(faults.into_iter().map(|text| Problem::fault(format!("{name}: {text}"))));
            let other = rest.into_iter().map(|text| format!("{name}: {text}"));
            problems.extend(router.shortfall().map(|text| Problem::fault(format!("{name}: {text}"))));
            match router.role {
                Role::Fault => {
                    if router.problems.is_empty() {
                        problems
                            .push(Problem::fault(format!("{name}: this node can't be active, something is at fault")));
                    }
                    problems.extend(other.map(Problem::fault));
                    continue;
                }
                Role::Starting => problems.push(Problem::fault(format!("{name}: this node does not take part yet"))),
                Role::Active => {
                    if !router.addresses_there {
                        problems.push(Problem::fault(format!(
                            "{name}: this node is active, and the addresses are not on {}",
                            router.interface
                        )));
                    }
                    if router.lease_left_ms.is_none() {
                        problems.push(Problem::fault(format!(
                            "{name}: this node is active without a lease: it forwards nothing"
                        )));
                    }
                }
                Role::Backup | Role::Claiming => {}
            }
            problems.extend(other.map(Problem::warning));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Ablest, samples};

    fn evaluated(change: impl FnOnce(&mut Status)) -> (bool, Vec<Problem>) {
        let mut status = samples::healthy();
        change(&mut status);
        status.evaluate(|text| text.starts_with("MTU"));
        (status.healthy, status.problems)
    }

    #[test]
    fn where_nothing_is_wrong_it_is_healthy() {
        assert_eq!(evaluated(|_| {}), (true, Vec::new()));
    }

    #[test]
    fn a_warning_is_reported_and_leaves_it_healthy() {
        let (healthy, problems) = evaluated(|status| {
            status.forwarding.problems = vec!["MTU 1500 is small".into()];
            status.vrrp[0].problems = vec!["10.0.0.9 speaks version 2".into()];
        });
        assert!(healthy);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn whatever_keeps_it_from_forwarding_is_a_fault_and_comes_first() {
        let following = |status: &mut Status, state| match &mut status.database {
            Database::HardwareVtep(following) => following.state = state,
            other => panic!("{other:?}"),
        };
        for change in [
            (|status, _| status.forwarding.problems = vec!["MTU".into(), "interface eth0 is down".into()])
                as fn(&mut Status, &dyn Fn(&mut Status, DatabaseState)),
            |status, database| database(status, DatabaseState::Gone),
            |status, database| database(status, DatabaseState::Waiting),
            |status, _| status.vrrp[0].role = Role::Fault,
            |status, _| status.vrrp[0].lease_left_ms = None,
            |status, _| status.vrrp[0].addresses_there = false,
            |status, _| status.forwarding.tunnels_unresolved = status.forwarding.tunnels,
        ] {
            let (healthy, problems) = evaluated(|status| change(status, &following));
            assert!(!healthy && problems[0].severity == Severity::Fault, "{problems:?}");
        }
    }

    #[test]
    fn a_claim_that_is_held_off_and_a_node_that_does_not_hear_are_faults() {
        for role in [Role::Claiming, Role::Backup] {
            let (healthy, problems) = evaluated(|status| {
                let router = &mut status.vrrp[0];
                router.role = role;
                router.faults = vec!["172.31.0.22 does not hear this node".into()];
                router.problems = vec!["10.0.0.9 speaks version 2".into(), router.faults[0].clone()];
            });
            let severities: Vec<_> = problems.iter().map(|problem| problem.severity).collect();
            assert_eq!((healthy, severities), (false, vec![Severity::Fault, Severity::Warning]), "{problems:?}");
        }
    }

    #[test]
    fn a_node_that_could_forward_less_than_another_is_at_fault_in_any_role() {
        for (role, part) in [
            (Role::Active, "this node is active with 0 bindings, and gw2 could forward 3"),
            (Role::Backup, "this node could forward 0 bindings, and gw2 3"),
        ] {
            let (healthy, problems) = evaluated(|status| {
                let router = &mut status.vrrp[0];
                (router.role, router.bindings_able) = (role, 0);
                router.ablest = Some(Ablest { node: "gw2".into(), bindings: 3 });
            });
            assert!(!healthy && problems[0].text.contains(part), "{problems:?}");
        }
    }

    #[test]
    fn a_standby_without_lease_and_addresses_is_healthy() {
        let (healthy, problems) = evaluated(|status| {
            let router = &mut status.vrrp[0];
            (router.role, router.lease_left_ms, router.addresses_there) = (Role::Backup, None, false);
        });
        assert!(healthy, "{problems:?}");
    }
}
