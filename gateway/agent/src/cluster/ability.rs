//! Number of bindings that this node could forward, compared with other nodes. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gateway_api::view;
use gateway_ha::{VirtualRouterStatus, peers::Followed};
use gateway_vrrp::{Time, Vrid};

use crate::eligible::{Eligible, Verdict};

/// Time that a node may have fewer bindings than another one before that is reported: two databases do not change at
/// the same moment.
const SETTLE: Duration = Duration::from_secs(5);

/// Programmed bindings of this node, and the virtual routers that other nodes could serve better.
#[derive(Debug, Default)]
pub(super) struct Ability {
    /// Numbers of programmed bindings, by lease.
    able: BTreeMap<u32, u32>,
    eligible: Eligible,
    /// Virtual routers that are held, as last published.
    held: Option<BTreeSet<Vrid>>,
    /// Times since which other nodes could forward more.
    behind: BTreeMap<Vrid, Time>,
}

impl Ability {
    /// Takes over the numbers of programmed bindings, by lease.
    pub(super) fn set(&mut self, able: BTreeMap<u32, u32>) {
        self.able = able;
    }

    /// Compares this node with the others. Returns the virtual routers to hold because other nodes could serve them
    /// better, if these have changed.
    pub(super) fn compare(
        &mut self,
        statuses: &[VirtualRouterStatus],
        received: &Followed,
        now: Time,
    ) -> Option<BTreeSet<Vrid>> {
        let mut held = BTreeSet::new();
        for one in statuses {
            let (ours, others) = (self.bindings(one.vrid), received.able.get(&one.vrid));
            match self.eligible.poll(one.vrid, &one.status, ours, others, now) {
                Verdict::Eligible => {}
                // This is reported only once it has lasted for a while.
                Verdict::Unknown | Verdict::Less { .. } => drop(held.insert(one.vrid)),
            }
            let most = others.into_iter().flat_map(BTreeMap::values).filter_map(|able| able.bindings).max();
            if most.is_some_and(|most| most > ours) {
                self.behind.entry(one.vrid).or_insert(now);
            } else {
                self.behind.remove(&one.vrid);
            }
        }
        let is = |vrid| statuses.iter().any(|one| one.vrid == vrid);
        self.eligible.retain(is);
        self.behind.retain(|vrid, _| is(*vrid));
        if self.held.as_ref() == Some(&held) {
            return None;
        }
        self.held = Some(held.clone());
        Some(held)
    }

    /// Returns the number of programmed bindings of a virtual router.
    pub(super) fn bindings(&self, vrid: Vrid) -> u32 {
        self.able.get(&vrid.get().into()).copied().unwrap_or(0)
    }

    /// Returns true if a virtual router is held.
    pub(super) fn is_held(&self, vrid: Vrid) -> bool {
        self.held.as_ref().is_some_and(|held| held.contains(&vrid))
    }

    /// Returns true unless a connected node could forward more, of any virtual router, for a while.
    pub(super) fn is_able(&self, now: Time) -> bool {
        self.behind.values().all(|since| now < *since + SETTLE)
    }

    /// Returns the connected node that could forward the most bindings of a virtual router, if this node could forward
    /// fewer for a while.
    pub(super) fn ablest(&self, vrid: Vrid, received: &Followed, now: Time) -> Option<view::Ablest> {
        self.behind.get(&vrid).filter(|since| now >= **since + SETTLE)?;
        let nodes = received.able.get(&vrid)?.values();
        let known = nodes.filter_map(|able| Some(view::Ablest { node: able.node.clone(), bindings: able.bindings? }));
        known.max_by_key(|able| able.bindings)
    }

    /// Returns the time at which [`Ability::compare`] is due if nothing changes.
    pub(super) fn due(&self) -> Option<Time> {
        self.eligible.due()
    }
}
