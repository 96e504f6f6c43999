//! Handovers that clients wait for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use gateway_ha::VirtualRouterStatus;
use gateway_vrrp::Time;

use crate::ctl::Request;

/// Time that another node has to take a role that is handed over.
const SUCCESSOR: Duration = Duration::from_secs(5);

/// A client that waits for another node to take a role.
pub(super) struct Handover {
    pub(super) leases: BTreeSet<u32>,
    pub(super) request: Request,
    /// True if the role is handed over even if no other node takes it.
    pub(super) force: bool,
    pub(super) since: Time,
    /// Names of the nodes that could take the role.
    pub(super) names: BTreeMap<IpAddr, String>,
}

impl Handover {
    /// Describes the outcome for one virtual router.
    fn outcome(&self, router: &str, active: Option<IpAddr>, now: Time) -> String {
        let Some(address) = active else { return format!("{router}: handed over, and no other node is active yet\n") };
        let name = self.names.get(&address);
        let node = name.map_or_else(|| address.to_string(), |name| format!("{name} ({address})"));
        format!("{router}: handed over to {node} in {} ms\n", now.saturating_sub(self.since).as_millis())
    }
}

/// Clients that wait for other nodes to take over virtual routers.
#[derive(Default)]
pub(super) struct Handovers(Vec<Handover>);

impl Handovers {
    /// Adds a client.
    pub(super) fn add(&mut self, handover: Handover) {
        self.0.push(handover);
    }

    /// Returns the time at which [`Handovers::answer`] is due if nothing changes.
    pub(super) fn due(&self) -> Option<Time> {
        self.0.iter().map(|handover| handover.since + SUCCESSOR).min()
    }

    /// Answers the clients whose virtual routers are active at another node, or at none for too long. This node is
    /// active for the leases `active`.
    pub(super) fn answer(&mut self, statuses: &[VirtualRouterStatus], active: &BTreeSet<u32>, now: Time) {
        for handover in std::mem::take(&mut self.0) {
            let concerned: Vec<_> =
                statuses.iter().filter(|one| handover.leases.contains(&one.vrid.get().into())).collect();
            let left = handover.leases.is_disjoint(active);
            let taken = left && concerned.iter().all(|one| one.status.active.is_some());
            let late = now >= handover.since + SUCCESSOR;
            // With `force`, a missing other node is accepted.
            if !(taken || late || left && handover.force) {
                self.0.push(handover);
                continue;
            }
            let outcome = concerned.iter().map(|one| handover.outcome(&one.name, one.status.active, now));
            let outcome: String = outcome.collect();
            drop(handover.request.answer(match (left, taken || handover.force) {
                (true, true) => Ok(outcome),
                (true, false) => Err(format!("{outcome}no other node has taken it within {} s", SUCCESSOR.as_secs())),
                (false, _) => {
                    Err(format!("this node is still active after {} s; its log says why", SUCCESSOR.as_secs()))
                }
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_api::ctl::Answer;
    use gateway_vrrp::{Interval, Priority, Role, Status, Vrid};

    use super::*;
    use crate::ctl::{Reply, Request};

    const VRID: Vrid = Vrid::new(51).unwrap();
    const START: Time = Time::from_secs(100);
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 31, 0, 22));

    /// Makes the status of the virtual router, with the node that is active.
    fn status(role: Role, active: Option<IpAddr>) -> [VirtualRouterStatus; 1] {
        let (priority, interval) = (Priority::DEFAULT, Interval::DEFAULT);
        [VirtualRouterStatus {
            vrid: VRID,
            name: "a".to_owned(),
            status: Status {
                role,
                since: START,
                priority,
                active,
                interval,
                lease: None,
                deaf_peer: None,
                holdup: None,
            },
            source: None,
            addresses_there: false,
            announced: 0,
            problems: BTreeSet::new(),
            faults: Vec::new(),
            counters: gateway_api::view::VrrpCounters::default(),
            others: BTreeMap::new(),
        }]
    }

    fn waiting(force: bool) -> (Handovers, Reply) {
        let (request, reply) = Request::new("vrrp/handover", Vec::new());
        let names = [(OTHER, "gw2".to_owned())].into();
        let mut handovers = Handovers::default();
        handovers.add(Handover { leases: [51].into(), request, force, since: START, names });
        (handovers, reply)
    }

    fn answer(reply: &mut Reply) -> Option<Answer> {
        Some(reply.try_recv().ok()?.0)
    }

    #[test]
    fn a_client_is_answered_when_another_node_is_active() {
        let (mut handovers, mut reply) = waiting(false);
        handovers.answer(&status(Role::Active, None), &[51].into(), START);
        handovers.answer(&status(Role::Backup, None), &[].into(), START + Duration::from_millis(50));
        assert_eq!(answer(&mut reply), None);
        handovers.answer(&status(Role::Backup, Some(OTHER)), &[].into(), START + Duration::from_millis(70));
        let expected = "a: handed over to gw2 (172.31.0.22) in 70 ms\n".to_owned();
        assert_eq!((answer(&mut reply), handovers.due()), (Some(Ok(expected)), None));
    }

    #[test]
    fn a_forced_handover_does_not_wait_for_another_node() {
        let (mut handovers, mut reply) = waiting(true);
        handovers.answer(&status(Role::Backup, None), &[].into(), START);
        let expected = "a: handed over, and no other node is active yet\n".to_owned();
        assert_eq!(answer(&mut reply), Some(Ok(expected)));
    }

    #[test]
    fn a_handover_that_nobody_completes_is_an_error_after_five_seconds() {
        let (mut handovers, mut reply) = waiting(false);
        assert_eq!(handovers.due(), Some(START + SUCCESSOR));
        handovers.answer(&status(Role::Backup, None), &[].into(), START + SUCCESSOR);
        assert!(answer(&mut reply).unwrap().unwrap_err().ends_with("no other node has taken it within 5 s"));
        let (mut handovers, mut reply) = waiting(true);
        handovers.answer(&status(Role::Active, None), &[51].into(), START + SUCCESSOR);
        assert!(answer(&mut reply).unwrap().unwrap_err().starts_with("this node is still active after 5 s"));
    }
}
