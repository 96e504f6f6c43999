//! Handovers that clients wait for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use gateway_ha::InstanceStatus;
use gateway_vrrp::Time;

use crate::ctl::server::Request;

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
    pub(super) fn answer(&mut self, statuses: &[InstanceStatus], active: &BTreeSet<u32>, now: Time) {
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
