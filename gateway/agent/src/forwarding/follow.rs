//! Programs the standby FDB: the stations that the active node of a virtual router has learned.

use std::sync::Arc;

use gateway_base::clock;
use gateway_common::fdb::{self, FdbEntry, FdbKey, Target};
use gateway_datapath::{learned::NEVER, op::Op};
use gateway_ha::peers;

use super::Forwarding;
use crate::{error::AgentError, standby_fdb::Followed, state_sync::Ports, stations::Known};

impl Forwarding {
    /// Sets whether this node is active for the virtual router with this lease.
    pub(super) fn set_role(&mut self, lease: u32, active: bool) -> Result<(), AgentError> {
        let epoch = if active { clock::coarse_ns()? } else { NEVER };
        self.epochs.insert(lease, epoch);
        if active {
            self.standby_fdb.remove(&lease);
        }
        Ok(())
    }

    /// Programs the stations of a lease that another node has learned. Later calls look only at the changes. The first
    /// call also removes stations that are learned here and not among them; so does a call after interfaces have
    /// changed.
    pub(super) fn follow_stations(
        &mut self,
        lease: u32,
        received: &peers::Stations,
        ports: &Arc<Ports>,
    ) -> Result<(), AgentError> {
        let limit = |vni: u32| self.desired.switches.get(&vni).map_or(0, |switch| switch.learn_limit);
        let Some(mut followed) = self.standby_fdb.remove(&lease).filter(|known| known.is_resolved_with(ports)) else {
            return self.follow_all(lease, Followed::new(received, ports, limit));
        };
        let changes = followed.receive(received, limit);
        let (gone, there): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, known)| known.is_none());
        self.unfollow(gone.into_iter().map(|(key, _)| *key))?;
        self.program_followed(there.into_iter().filter_map(|(key, known)| Some((*key, (*known)?))))?;
        self.standby_fdb.insert(lease, followed);
        Ok(())
    }

    /// Applies the last received stations of all leases again.
    pub(super) fn follow_all_again(&mut self) -> Result<(), AgentError> {
        for (lease, mut followed) in std::mem::take(&mut self.standby_fdb) {
            followed.set_limits(|vni| self.desired.switches.get(&vni).map_or(0, |switch| switch.learn_limit));
            self.follow_all(lease, followed)?;
        }
        Ok(())
    }

    /// Programs all followed stations, and removes the other stations learned here.
    fn follow_all(&mut self, lease: u32, followed: Followed) -> Result<(), AgentError> {
        let taken = followed.taken();
        let of_lease = self.stations.all().keys().filter(|key| self.is_of(lease, key.vni));
        let others: Vec<FdbKey> = of_lease.filter(|key| !taken.contains_key(key)).copied().collect();
        self.unfollow(others.into_iter())?;
        self.program_followed(taken.iter().map(|(key, known)| (*key, *known)))?;
        self.standby_fdb.insert(lease, followed);
        Ok(())
    }

    fn unfollow(&mut self, keys: impl Iterator<Item = FdbKey>) -> Result<(), AgentError> {
        let mut change = self.maps.change();
        for key in keys.filter(|key| !self.programmed.static_macs.contains_key(key)) {
            change.remove_mac(&key)?;
            self.stations.gone(&key);
        }
        Ok(())
    }

    fn program_followed(&mut self, stations: impl Iterator<Item = (FdbKey, Known)>) -> Result<(), AgentError> {
        let now = clock::coarse_ns()?;
        let mut change = self.maps.change();
        for (key, Known { at, ip }) in stations {
            let binding = self.programmed.bindings.get(&at).filter(|binding| binding.vni == key.vni);
            let (Some(binding), false) = (binding, self.programmed.static_macs.contains_key(&key)) else { continue };
            let to = Target::local(at.ifindex, at.vlan, binding.id);
            let entry = FdbEntry { to, seen: now, origin: fdb::LEARNED, flags: binding.flags };
            let same = |known: &FdbEntry| (known.to, known.origin, known.flags) == (to, fdb::LEARNED, binding.flags);
            let written = if change.mac(&key)?.as_ref().is_some_and(same) {
                Ok(())
            } else {
                change.write(&Op::PutMac(key, entry))
            };
            match written {
                Ok(()) => self.stations.there(key, at),
                Err(error) if error.is_full() => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(ip) = ip {
                self.stations.announced(key, ip);
            }
        }
        Ok(())
    }

    fn is_of(&self, lease: u32, vni: u32) -> bool {
        self.programmed.switches.get(&vni).is_some_and(|switch| switch.lease == lease)
    }
}
