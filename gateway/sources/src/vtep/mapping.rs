//! Maps the tables to [`Rows`], from the view of this gateway.
//!
//! Two gateways, each with a copy of the database, have to make the same choices. So all choices depend on the contents
//! of the rows and never on their UUIDs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::net::Vni;
use gateway_config::{
    macs::Macs,
    rows::{Contested, Location, LogicalSwitch, Remote, Rows},
};
use gateway_ovsdb::Uuid;

use super::{
    Faults, Identity, Mirror, Station, Touched,
    bindings::Bindings,
    problem::Problem,
    rows::{Group, Locator, Replication},
};

/// Keeps [`Rows`] up to date with a [`Mirror`].
#[derive(Debug, Default)]
pub struct Mapping {
    identity: Identity,
    learn_limit: u64,
    /// Remote VTEPs that should not be chosen as service nodes.
    unreachable: BTreeSet<IpAddr>,
    rows: Arc<Rows>,
    names: HashMap<Uuid, String>,
    keys: HashMap<Uuid, Vni>,
    by_vni: BTreeMap<Vni, BTreeSet<Uuid>>,
    bindings: Bindings,
    /// Shared locations, one for all stations behind a remote VTEP.
    places: BTreeMap<Remote, Arc<Location>>,
    /// VNI conflicts by logical switch.
    contested: BTreeMap<Uuid, Problem>,
}

impl Mapping {
    /// Creates the mapping of the gateway `identity`. Each logical switch learns at most `learn_limit` MACs.
    pub fn new(identity: Identity, learn_limit: u64) -> Self {
        Self { identity, learn_limit, ..Self::default() }
    }

    /// Returns the identity of the gateway.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the rows that the tables map to.
    pub fn rows(&self) -> &Arc<Rows> {
        &self.rows
    }

    /// Returns the parts of the tables that are not turned into forwarding.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.bindings.problems.iter().chain(self.contested.values())
    }

    /// Returns the faults that result from the problems.
    pub fn faults(&self) -> Faults {
        Faults { switch: BTreeSet::new(), ports: self.bindings.faults.clone() }
    }

    /// Returns the row of `Logical_Switch` and the name of each logical switch.
    pub(super) fn names(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.names.iter().map(|(uuid, name)| (*uuid, name.as_str()))
    }

    /// Returns the name of the logical switch of a row.
    pub(super) fn name(&self, uuid: Uuid) -> Option<&str> {
        self.names.get(&uuid).map(String::as_str)
    }

    /// Applies a new identity or limit.
    pub fn reconfigure(&mut self, mirror: &Mirror, identity: Identity, learn_limit: u64) {
        (self.identity, self.learn_limit) = (identity, learn_limit);
        self.update(mirror, &Touched::everything(mirror));
    }

    /// Sets the remote VTEPs that cannot be reached now. None of them is chosen as the service node of a switch if
    /// there is another.
    pub(crate) fn set_unreachable(&mut self, mirror: &Mirror, unreachable: BTreeSet<IpAddr>) {
        if self.unreachable == unreachable {
            return;
        }
        self.unreachable = unreachable;
        let served = mirror.switches.iter().filter(|(_, row)| row.replication == Replication::ServiceNode);
        let switches = served.map(|(uuid, _)| *uuid).collect();
        self.update(mirror, &Touched { switches, ..Touched::default() });
    }

    /// Updates the rows from `mirror`. `touched` holds what has changed.
    pub fn update(&mut self, mirror: &Mirror, touched: &Touched) {
        let mut dirty = touched.switches.clone();
        let renamed = |uuid: &Uuid| self.names.get(uuid) != mirror.switches.get(uuid).map(|row| &row.name);
        if touched.physical || dirty.iter().any(renamed) {
            let bindings = Bindings::of(mirror, &self.identity);
            dirty.extend(bindings.differing(&self.bindings));
            if bindings.refused != self.rows.refused {
                Arc::make_mut(&mut self.rows).refused = bindings.refused.clone();
            }
            self.bindings = bindings;
        }
        self.index_keys(mirror, &mut dirty);
        let made = if dirty.is_empty() { BTreeSet::new() } else { self.update_switches(mirror, dirty) };
        if !touched.remote.is_empty() {
            self.update_macs(mirror, &touched.remote, &made);
        }
        if touched.locators {
            self.places.retain(|_, place| Arc::strong_count(place) > 1);
        }
    }

    /// Records the VNI of each switch in `dirty`. Adds the switches to `dirty` that have, or had, the same VNI.
    fn index_keys(&mut self, mirror: &Mirror, dirty: &mut BTreeSet<Uuid>) {
        let mut vnis = BTreeSet::new();
        for uuid in dirty.iter() {
            let now = mirror.switches.get(uuid).and_then(|row| row.key.vni());
            let before = match now {
                Some(vni) => self.keys.insert(*uuid, vni),
                None => self.keys.remove(uuid),
            };
            if let Some(before) = before.filter(|before| now != Some(*before))
                && let Some(others) = self.by_vni.get_mut(&before)
            {
                others.remove(uuid);
                if others.is_empty() {
                    self.by_vni.remove(&before);
                }
            }
            if let Some(now) = now {
                self.by_vni.entry(now).or_default().insert(*uuid);
            }
            vnis.extend(before.into_iter().chain(now));
        }
        dirty.extend(vnis.iter().filter_map(|vni| self.by_vni.get(vni)).flatten());
    }

    /// Updates the switches in `dirty`. Returns the new ones, which already have all of their stations.
    fn update_switches(&mut self, mirror: &Mirror, dirty: BTreeSet<Uuid>) -> BTreeSet<Uuid> {
        let mut rows = std::mem::take(&mut self.rows);
        let switches = &mut Arc::make_mut(&mut rows).switches;
        // Removes all of the old names before it adds the new ones: two switches may have swapped names.
        let mut known: HashMap<Uuid, Arc<LogicalSwitch>> = HashMap::new();
        for uuid in &dirty {
            if let Some(name) = self.names.remove(uuid)
                && let Some(switch) = switches.remove(&name)
            {
                known.insert(*uuid, switch);
            }
            self.contested.remove(uuid);
        }
        let is_new = |uuid: &&Uuid| mirror.switches.contains_key(uuid) && !known.contains_key(uuid);
        let new: BTreeSet<Uuid> = dirty.iter().filter(is_new).copied().collect();
        self.make_switches(mirror, &new, &mut known);
        for uuid in dirty {
            let Some(row) = mirror.switches.get(&uuid) else { continue };
            let Some(mut switch) = known.remove(&uuid) else { continue };
            let vni = self.vni(mirror, uuid);
            let contested = match self.contested.get(&uuid) {
                Some(Problem::VniTwice { vni, holder, .. }) => Some(Contested { vni: *vni, holder: holder.clone() }),
                _ => None,
            };
            let flood = self.flood(mirror, uuid, row.replication);
            let bindings = self.bindings.by_switch.get(&uuid);
            let same = switch.vni == vni
                && switch.contested == contested
                && switch.flood == flood
                && switch.learn_limit == self.learn_limit
                && bindings.unwrap_or(&BTreeSet::new()) == &switch.bindings;
            if !same {
                let switch = Arc::make_mut(&mut switch);
                (switch.vni, switch.flood, switch.learn_limit) = (vni, flood, self.learn_limit);
                switch.contested = contested;
                switch.bindings = bindings.cloned().unwrap_or_default();
            }
            self.names.insert(uuid, row.name.clone());
            switches.insert(row.name.clone(), switch);
        }
        self.rows = rows;
        new
    }

    /// Creates the new switches, with their existing stations.
    fn make_switches(&mut self, mirror: &Mirror, new: &BTreeSet<Uuid>, made: &mut HashMap<Uuid, Arc<LogicalSwitch>>) {
        let mut macs: HashMap<Uuid, Macs> = HashMap::new();
        for station in mirror.remote.stations(new) {
            if let Some(place) = self.locate(mirror, station) {
                macs.entry(station.0).or_default().insert(station.1, place);
            }
        }
        for uuid in new {
            let (macs, instance) = (macs.remove(uuid).unwrap_or_default(), self.identity.instance);
            made.insert(*uuid, Arc::new(LogicalSwitch { macs, instance, ..LogicalSwitch::default() }));
        }
    }

    /// Updates the touched stations, which are sorted. Stations of switches that were just `made` are already correct.
    fn update_macs(&mut self, mirror: &Mirror, touched: &[Station], made: &BTreeSet<Uuid>) {
        let mut rows = std::mem::take(&mut self.rows);
        for stations in touched.chunk_by(|a, b| a.0 == b.0).filter(|stations| !made.contains(&stations[0].0)) {
            let Some(name) = self.names.get(&stations[0].0).cloned() else { continue };
            let Some(switch) = rows.switches.get(&name) else { continue };
            let mut changes = Vec::new();
            for station in stations {
                let place = self.locate(mirror, *station);
                if switch.macs.get(&station.1) != place.as_deref() {
                    changes.push((station.1, place));
                }
            }
            if changes.is_empty() {
                continue;
            }
            let Some(switch) = Arc::make_mut(&mut rows).switches.get_mut(&name) else { continue };
            let macs = &mut Arc::make_mut(switch).macs;
            for (mac, place) in changes {
                match place {
                    Some(place) => macs.insert(mac, place),
                    None => macs.remove(&mac),
                };
            }
        }
        self.rows = rows;
    }

    /// Returns the VNI of a switch. Of several switches with one VNI, a switch that is bound to VLANs here takes
    /// precedence, and then the first one by name.
    fn vni(&mut self, mirror: &Mirror, uuid: Uuid) -> Option<Vni> {
        let vni = *self.keys.get(&uuid)?;
        let rank =
            |uuid: &Uuid| (!self.bindings.by_switch.contains_key(uuid), mirror.switches.get(uuid).map(|row| &row.name));
        let holder = self.by_vni.get(&vni)?.iter().min_by_key(|uuid| rank(uuid))?;
        if *holder == uuid {
            return Some(vni);
        }
        let name = |uuid: &Uuid| mirror.switches.get(uuid).map(|row| row.name.clone()).unwrap_or_default();
        let problem = Problem::VniTwice { vni, switch: name(&uuid), holder: name(holder) };
        self.contested.insert(uuid, problem);
        None
    }

    /// Returns the remote VTEPs that receive broadcast, unknown unicast and multicast.
    fn flood(&self, mirror: &Mirror, uuid: Uuid, replication: Replication) -> BTreeSet<Remote> {
        let rows = || mirror.mcast_remote.of(uuid).map(|(_, row)| row);
        // The data plane has one flood set for each switch. The listeners of a group are in it only if the switch has
        // no `unknown-dst` row.
        let unknown = rows().any(|row| row.group == Group::UnknownDst);
        let chosen = rows().filter(|row| !unknown || row.group == Group::UnknownDst);
        let members = chosen.flat_map(|row| mirror.members(row)).filter_map(|(_, locator)| self.remote(locator));
        // Each VTEP gets one copy, however many locators it has.
        let members: BTreeMap<IpAddr, Remote> =
            members.collect::<BTreeSet<_>>().into_iter().rev().map(|remote| (remote.address, remote)).collect();
        let members: BTreeSet<Remote> = members.into_values().collect();
        match replication {
            Replication::SourceNode => members,
            Replication::ServiceNode => {
                let live = members.iter().find(|member| !self.unreachable.contains(&member.address));
                live.or(members.first()).copied().into_iter().collect()
            }
        }
    }

    /// Returns the location of a station. It may have two rows, because nothing prevents a controller from that.
    fn locate(&mut self, mirror: &Mirror, station: Station) -> Option<Arc<Location>> {
        let rows = mirror.remote.of(station);
        let remote = rows.filter_map(|(_, row)| self.remote(mirror.locators.get(&row.locator)?)).min()?;
        Some(Arc::clone(self.places.entry(remote).or_insert_with(|| Arc::new(Location::Remote(remote)))))
    }

    /// Returns the remote VTEP of a locator, if the gateway can use it: it is a VXLAN tunnel, and does not lead to this
    /// gateway. Rows that place stations at this gateway come from its own rows, or from those of its twin.
    fn remote(&self, locator: &Locator) -> Option<Remote> {
        let usable = locator.vxlan && !self.identity.is_own(locator.address);
        usable.then_some(Remote { address: locator.address, vni: locator.vni })
    }
}

impl Touched {
    /// Returns all of `mirror` as touched.
    pub fn everything(mirror: &Mirror) -> Self {
        Self {
            physical: true,
            stats: true,
            locators: true,
            switches: mirror.switches.keys().copied().collect(),
            remote: sorted(mirror.remote.all()),
            local: sorted(mirror.local.all()),
            mcast_local: mirror.mcast_local.switches().collect(),
            unreadable: Vec::new(),
        }
    }
}

fn sorted(stations: impl Iterator<Item = Station>) -> Vec<Station> {
    let mut stations: Vec<Station> = stations.collect();
    stations.sort_unstable();
    stations.dedup();
    stations
}
