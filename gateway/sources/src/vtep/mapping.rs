//! From the tables to [`Rows`]: what they mean for this gateway.
//!
//! All choices depend on what the rows say and never on their UUIDs, so that two gateways with a copy of the database each
//! make the same ones.

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
    /// Remote VTEPs that a service node should not be taken from.
    unreachable: BTreeSet<IpAddr>,
    rows: Arc<Rows>,
    names: HashMap<Uuid, String>,
    keys: HashMap<Uuid, Vni>,
    by_vni: BTreeMap<Vni, BTreeSet<Uuid>>,
    bindings: Bindings,
    /// One of each, that all stations behind a remote VTEP share.
    places: BTreeMap<Remote, Arc<Location>>,
    /// By logical switch.
    contested: BTreeMap<Uuid, Problem>,
}

impl Mapping {
    /// For the gateway `identity`, of which each logical switch learns `learn_limit` MACs at most.
    pub fn new(identity: Identity, learn_limit: u64) -> Self {
        Self { identity, learn_limit, ..Self::default() }
    }

    /// What the tables mean.
    pub fn rows(&self) -> &Arc<Rows> {
        &self.rows
    }

    /// What of them is not turned into forwarding.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.bindings.problems.iter().chain(self.contested.values())
    }

    /// The faults that follow from it.
    pub fn faults(&self) -> Faults {
        Faults { switch: BTreeSet::new(), ports: self.bindings.faults.clone() }
    }

    /// The row of `Logical_Switch` and the name of each logical switch.
    pub(super) fn names(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.names.iter().map(|(uuid, name)| (*uuid, name.as_str()))
    }

    /// The name of the logical switch of a row.
    pub(super) fn name(&self, uuid: Uuid) -> Option<&str> {
        self.names.get(&uuid).map(String::as_str)
    }

    /// Takes over another identity or limit.
    pub fn reconfigure(&mut self, mirror: &Mirror, identity: Identity, learn_limit: u64) {
        (self.identity, self.learn_limit) = (identity, learn_limit);
        self.update(mirror, &Touched::everything(mirror));
    }

    /// Takes note of the remote VTEPs that cannot be reached now: none of them will be the service node of a switch if there
    /// is another.
    pub(crate) fn set_unreachable(&mut self, mirror: &Mirror, unreachable: BTreeSet<IpAddr>) {
        if self.unreachable == unreachable {
            return;
        }
        self.unreachable = unreachable;
        let served = mirror.switches.iter().filter(|(_, row)| row.replication == Replication::ServiceNode);
        let switches = served.map(|(uuid, _)| *uuid).collect();
        self.update(mirror, &Touched { switches, ..Touched::default() });
    }

    /// Brings the rows up to date with `mirror`, where `touched` says what has changed.
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

    /// Notes the VNI of each switch in `dirty`, and adds the switches to it that have, or had, the same one.
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

    /// Gives those that were not there before; they have all of their stations.
    fn update_switches(&mut self, mirror: &Mirror, dirty: BTreeSet<Uuid>) -> BTreeSet<Uuid> {
        let mut rows = std::mem::take(&mut self.rows);
        let switches = &mut Arc::make_mut(&mut rows).switches;
        // First all of the old names, then all of the new ones: two switches may have changed names.
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

    /// Makes switches that were not there, with the stations that were.
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

    /// Of the stations, which are sorted, those of switches that were `made` just now are where they should be.
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

    /// Its VNI. Of several switches with one VNI, one that is bound to VLANs here comes first, and then the order of their
    /// names.
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

    /// The remote VTEPs that get broadcast, unknown unicast and multicast.
    fn flood(&self, mirror: &Mirror, uuid: Uuid, replication: Replication) -> BTreeSet<Remote> {
        let rows = || mirror.mcast_remote.of(uuid).map(|(_, row)| row);
        // The data plane has one flood set for each switch. A group's listeners are in it only if nothing else would be.
        let unknown = rows().any(|row| row.group == Group::UnknownDst);
        let chosen = rows().filter(|row| !unknown || row.group == Group::UnknownDst);
        let members = chosen.flat_map(|row| mirror.members(row)).filter_map(|(_, locator)| self.remote(locator));
        // One copy for each VTEP, however many locators it has.
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

    /// Where a station is. Nothing keeps a controller from giving it two rows.
    fn locate(&mut self, mirror: &Mirror, station: Station) -> Option<Arc<Location>> {
        let rows = mirror.remote.of(station);
        let remote = rows.filter_map(|(_, row)| self.remote(mirror.locators.get(&row.locator)?)).min()?;
        Some(Arc::clone(self.places.entry(remote).or_insert_with(|| Arc::new(Location::Remote(remote)))))
    }

    /// The VTEP that a locator leads to, if the gateway can use it: a VXLAN tunnel, and not to itself. Rows that place
    /// stations at this very gateway are what others were told by it, or by its twin.
    fn remote(&self, locator: &Locator) -> Option<Remote> {
        let usable = locator.vxlan && !self.identity.is_own(locator.address);
        usable.then_some(Remote { address: locator.address, vni: locator.vni })
    }
}

impl Touched {
    /// All of `mirror`.
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
