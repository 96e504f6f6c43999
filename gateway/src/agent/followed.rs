//! What one node of a virtual router has learned, in the maps of another: a standby has the stations of the active node, so
//! that after a takeover they need not be looked for by flooding.

use gateway_common::{
    binding::BindingKey,
    fdb::{self, FdbEntry, FdbKey, Target},
};

use super::{error::AgentError, forwarding::Forwarding, stations::Heard};
use crate::{
    clock,
    datapath::{Desired, Given, learned::NEVER, op::Op},
};

impl Forwarding {
    /// This node is active for the virtual router with this lease, from now on; or another one is.
    pub(super) fn role(&mut self, lease: u32, active: bool) -> Result<(), AgentError> {
        let epoch = if active { clock::coarse_ns()? } else { NEVER };
        self.epochs.insert(lease, epoch);
        if active {
            self.followed.remove(&lease);
        }
        Ok(())
    }

    /// What forwarding should be, but for the MACs.
    pub(super) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The MACs that are given.
    pub(super) fn given(&self) -> &Given {
        &self.programmed.given
    }

    /// Stations behind tunnels that were learned, not given.
    pub(super) fn learned_remotes(&self) -> Vec<FdbKey> {
        if !self.desired.segments.values().any(|segment| segment.learn_remote) {
            // A walk through a hundred thousand given ones would find none.
            return Vec::new();
        }
        let learned = self.maps.fdb().filter_map(Result::ok);
        let remote = learned.filter(|(_, entry)| entry.origin == fdb::LEARNED && entry.to.kind == fdb::REMOTE);
        remote.map(|(key, _)| key).collect()
    }

    /// The learned stations of a lease, each with the place it is behind.
    pub(super) fn learned_here(&self, lease: u32) -> Heard {
        let known = self.stations.all().iter().filter(|(key, _)| self.is_of(lease, key.vni));
        known
            .filter_map(|(key, ip)| {
                let entry = self.maps.mac(key).ok()??;
                let at = BindingKey { ifindex: entry.to.out, vlan: entry.to.vlan, reserved: 0 };
                (entry.to.kind == fdb::LOCAL).then_some((*key, (at, *ip)))
            })
            .collect()
    }

    /// Programs the stations that the active node of a virtual router has learned. What is learned here and is not among
    /// them goes.
    pub(super) fn follow(&mut self, lease: u32, heard: Heard) -> Result<(), AgentError> {
        let before = self.followed.remove(&lease);
        let now = clock::coarse_ns()?;
        let known: Vec<FdbKey> = match &before {
            Some(before) => before.keys().copied().collect(),
            None => self.stations.all().keys().copied().filter(|key| self.is_of(lease, key.vni)).collect(),
        };
        let mut change = self.maps.change();
        for key in known.iter().filter(|key| !heard.contains_key(key) && !self.programmed.given.contains_key(key)) {
            change.remove_mac(key)?;
            self.stations.gone(key);
        }
        for (key, station) in &heard {
            if before.as_ref().is_some_and(|before| before.get(key) == Some(station)) {
                continue;
            }
            let (at, ip) = station;
            let binding = self.programmed.bindings.get(at).filter(|binding| binding.vni == key.vni);
            let (Some(binding), false) = (binding, self.programmed.given.contains_key(key)) else { continue };
            let to = Target::local(at.ifindex, at.vlan, binding.id);
            let entry = FdbEntry { to, seen: now, origin: fdb::LEARNED, flags: binding.flags };
            let same = |known: &FdbEntry| (known.to, known.origin, known.flags) == (to, fdb::LEARNED, binding.flags);
            let written = if change.mac(key)?.as_ref().is_some_and(same) {
                Ok(())
            } else {
                change.write(&Op::PutMac(*key, entry))
            };
            match written {
                Ok(()) => self.stations.there(*key),
                Err(error) if error.is_full() => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(ip) = ip {
                self.stations.announced(*key, *ip);
            }
        }
        drop(change);
        self.followed.insert(lease, heard);
        Ok(())
    }

    /// Does the same once more with what was heard last: bindings may have come or changed since.
    pub(super) fn follow_again(&mut self) -> Result<(), AgentError> {
        let all: Vec<(u32, Heard)> = std::mem::take(&mut self.followed).into_iter().collect();
        all.into_iter().try_for_each(|(lease, heard)| self.follow(lease, heard))
    }

    fn is_of(&self, lease: u32, vni: u32) -> bool {
        self.programmed.segments.get(&vni).is_some_and(|segment| segment.lease == lease)
    }
}
