//! Publishes the stations behind this gateway in `Ucast_Macs_Local` and `Mcast_Macs_Local`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use gateway_common::net::{MacAddr, Vni};
use gateway_config::rows::{Location, Rows};
use gateway_ovsdb::{Atom, Condition, Datum, Operation, Row, Uuid};

use super::{
    Identity, Mapping, Mirror, Station, Touched,
    contest::{Act, Contests},
    rows::{Locator, TunnelKey, Ucast},
    tables,
};

/// Minimum interval of writing the address of one station. A station that sends ARP with another sender address each
/// time must not cause a write each time.
const ADDRESS_EVERY: Duration = Duration::from_secs(5);
/// Time for which a row is left to another writer that keeps undoing it.
const LEFT: Duration = Duration::from_secs(300);
/// Time for which the row has to stay after that to count as this gateway's.
const SETTLED: Duration = Duration::from_secs(360);

/// Name of the new row of `Physical_Locator`, in the transaction that inserts it.
const NEW_LOCATOR: &str = "locator";

/// Station behind an access port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalMac {
    /// VNI of its logical switch.
    pub vni: Vni,
    /// MAC of the station.
    pub mac: MacAddr,
    /// Its address, if it is known.
    pub ip: Option<IpAddr>,
}

/// Reconciles the local tables with the learned stations.
///
/// A transaction can fail, or its outcome can be unknown. So the publisher keeps the stations and switches that may
/// differ, compares them with the tables, and requests operations for the differences, until they match.
#[derive(Debug)]
pub struct Publisher {
    identity: Identity,
    /// Former addresses of this gateway. Rows published with them are withdrawn.
    former: BTreeSet<IpAddr>,
    /// Learned stations. `None` until the first are reported: the rows that an earlier run has published stay until
    /// then.
    learned: Option<BTreeMap<(Vni, MacAddr), Option<IpAddr>>>,
    /// Switches that forward here.
    bound: BTreeMap<Uuid, Vni>,
    by_vni: BTreeMap<Vni, Uuid>,
    stations: BTreeSet<Station>,
    switches: BTreeSet<Uuid>,
    asked: Asked,
    /// Times of recent writes of addresses.
    addressed: BTreeMap<Station, Duration>,
    /// Time at which to remove the older of these.
    forget: Duration,
    /// Stations and switches to compare again later.
    later: BTreeMap<Published, Duration>,
    contests: Contests<Published>,
}

/// Row that can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Published {
    /// The row of a station.
    Station(Station),
    /// The row that makes other VTEPs send unknown destinations here.
    Flood(Uuid),
}

/// Last requested operations.
#[derive(Debug, Default)]
struct Asked {
    stations: Vec<Station>,
    switches: Vec<Uuid>,
    acts: Vec<(Published, Act)>,
    addresses: Vec<Station>,
}

/// Input of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    /// Contents of the database.
    pub mirror: &'v Mirror,
    /// Mapping of the contents.
    pub mapping: &'v Mapping,
    /// Rows in force.
    pub rows: &'v Rows,
}

impl Publisher {
    /// Creates the publisher of the gateway `identity`, with nothing learned yet.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            former: BTreeSet::new(),
            learned: None,
            bound: BTreeMap::new(),
            by_vni: BTreeMap::new(),
            stations: BTreeSet::new(),
            switches: BTreeSet::new(),
            asked: Asked::default(),
            addressed: BTreeMap::new(),
            forget: Duration::ZERO,
            later: BTreeMap::new(),
            contests: Contests::new(SETTLED),
        }
    }

    /// Records addresses that this gateway had before it was started.
    pub(crate) fn was_at(&mut self, former: impl IntoIterator<Item = IpAddr>) {
        self.former.extend(former);
        self.former.retain(|ip| !self.identity.is_own(*ip));
    }

    /// Returns the number of rows that another writer keeps undoing, and that are left to it for now.
    pub fn lost(&self) -> usize {
        self.contests.lost().count()
    }

    /// Publishes again all that was left to another writer.
    pub(crate) fn insist(&mut self) {
        self.contests.clear();
        self.recall(Duration::MAX);
    }

    /// Returns the time at which there may be something to do even without events.
    pub fn deadline(&self) -> Option<Duration> {
        self.later.values().copied().chain(self.contests.deadline()).min()
    }

    /// Compares again the rows that were put off until `now`.
    fn recall(&mut self, now: Duration) {
        let (stations, switches) = (&mut self.stations, &mut self.switches);
        self.later.retain(|what, due| {
            if *due > now {
                return true;
            }
            match what {
                Published::Station(station) => drop(stations.insert(*station)),
                Published::Flood(switch) => drop(switches.insert(*switch)),
            }
            false
        });
    }

    /// Applies a new identity.
    pub fn reconfigure(&mut self, mirror: &Mirror, identity: Identity) {
        let before = std::mem::replace(&mut self.identity, identity);
        self.former.extend(before.tunnel_ips);
        self.former.retain(|ip| !self.identity.is_own(*ip));
        self.touch_everything(mirror);
    }

    /// Sets the learned stations, replacing all others.
    pub fn replace(&mut self, mirror: &Mirror, learned: impl IntoIterator<Item = LocalMac>) {
        let learned = learned.into_iter().map(|LocalMac { vni, mac, ip }| ((vni, mac), ip)).collect();
        match self.learned.replace(learned) {
            // The rows that an earlier run has published are compared too.
            None => self.touch_everything(mirror),
            Some(before) => {
                let now = self.learned.take().unwrap_or_default();
                let gone = before.keys().filter(|key| !now.contains_key(key));
                let come = now.iter().filter(|(key, ip)| before.get(key) != Some(ip)).map(|(key, _)| key);
                for (vni, mac) in gone.chain(come) {
                    self.touch_station(*vni, *mac);
                }
                self.learned = Some(now);
            }
        }
    }

    /// Adds a learned station.
    pub fn learn(&mut self, LocalMac { vni, mac, ip }: LocalMac) {
        if self.learned.get_or_insert_default().insert((vni, mac), ip) != Some(ip) {
            self.touch_station(vni, mac);
        }
    }

    /// Removes a station.
    pub fn forget(&mut self, vni: Vni, mac: MacAddr) {
        if let Some(learned) = &mut self.learned
            && learned.remove(&(vni, mac)).is_some()
        {
            self.touch_station(vni, mac);
        }
    }

    fn touch_station(&mut self, vni: Vni, mac: MacAddr) {
        if let Some(uuid) = self.by_vni.get(&vni) {
            self.stations.insert((*uuid, mac));
        }
    }

    /// Processes a change of the database, `mirror`.
    pub fn touch(&mut self, mirror: &Mirror, touched: &Touched) {
        let remote = touched.remote.iter().filter(|station| self.is_concerned(mirror, station));
        let stations: Vec<Station> = touched.local.iter().chain(remote).copied().collect();
        self.stations.extend(stations);
        self.switches.extend(&touched.mcast_local);
    }

    /// Returns true if a station is published, or has been learned. All others, of which there may be a hundred
    /// thousand, stay unpublished wherever they are.
    fn is_concerned(&self, mirror: &Mirror, station: &Station) -> bool {
        let learned = || self.learned.as_ref()?.get(&(*self.bound.get(&station.0)?, station.1));
        learned().is_some() || mirror.local.of(*station).next().is_some()
    }

    /// Marks all rows for comparison, as after a lost connection.
    pub(crate) fn touch_everything(&mut self, mirror: &Mirror) {
        self.stations.extend(mirror.local.all());
        self.switches.extend(mirror.mcast_local.switches());
        for (uuid, vni) in &self.bound {
            self.switches.insert(*uuid);
            self.stations.extend(learned_in(&self.learned, *vni).map(|mac| (*uuid, mac)));
        }
    }

    /// Returns the next operations, at most `limit`; none if all rows are correct. Their result has to be
    /// [reported](Self::done) before the next call.
    pub fn next(&mut self, view: View<'_>, limit: usize, now: Duration) -> Vec<Operation> {
        self.recall(now);
        self.contests.prune(now);
        if now >= self.forget {
            self.forget = now + ADDRESS_EVERY;
            self.addressed.retain(|_, written| now < *written + ADDRESS_EVERY);
        }
        self.follow_switches(view);
        let Some(own) = self.identity.tunnel_ip() else { return Vec::new() };
        let mut batch = Batch::new(view.mirror, own, now);
        while batch.operations.len() < limit
            && let Some(uuid) = self.switches.pop_first()
        {
            self.flood_member(view, uuid, &mut batch);
            self.asked.switches.push(uuid);
        }
        while self.learned.is_some()
            && batch.operations.len() < limit
            && let Some(station) = self.stations.pop_first()
        {
            let before = batch.operations.len();
            self.station(view, station, &mut batch);
            if batch.operations.len() > before {
                self.asked.stations.push(station);
            }
        }
        self.later.extend(std::mem::take(&mut batch.later));
        self.asked.acts = std::mem::take(&mut batch.acts);
        self.asked.addresses = std::mem::take(&mut batch.addresses);
        batch.finish()
    }

    /// Processes the result of the last operations. `done` is true if they are done, and visible in the mirror.
    pub fn done(&mut self, done: bool, now: Duration) {
        let Asked { stations, switches, acts, addresses } = std::mem::take(&mut self.asked);
        if done {
            acts.into_iter().for_each(|(what, act)| self.contests.done(what, act, now));
            self.addressed.extend(addresses.into_iter().map(|station| (station, now)));
        } else {
            self.stations.extend(stations);
            self.switches.extend(switches);
        }
    }

    /// Records the switches that forward here. If this has changed for a switch, all of its stations are compared.
    fn follow_switches(&mut self, view: View<'_>) {
        let forwards = |(uuid, name): (Uuid, &str)| {
            let switch = view.rows.switches.get(name).filter(|switch| !switch.bindings.is_empty())?;
            Some((uuid, switch.vni?))
        };
        let bound: BTreeMap<Uuid, Vni> = view.mapping.names().filter_map(forwards).collect();
        if bound == self.bound {
            return;
        }
        let before = std::mem::replace(&mut self.bound, bound);
        self.by_vni = self.bound.iter().map(|(uuid, vni)| (*vni, *uuid)).collect();
        let mut changed = BTreeSet::new();
        for uuid in before.keys().chain(self.bound.keys()) {
            let now = self.bound.get(uuid);
            if before.get(uuid) == now {
                continue;
            }
            self.switches.insert(*uuid);
            changed.insert(*uuid);
            if let Some(vni) = now {
                self.stations.extend(learned_in(&self.learned, *vni).map(|mac| (*uuid, mac)));
            }
        }
        self.stations.extend(view.mirror.local.stations(&changed));
    }

    fn station(&self, view: View<'_>, station: Station, batch: &mut Batch<'_>) {
        let (uuid, mac) = station;
        let learned = self.learned.as_ref().zip(self.bound.get(&uuid));
        let wanted = learned.and_then(|(learned, vni)| learned.get(&(*vni, mac))).copied();
        let wanted = wanted.filter(|_| !self.is_remote(view, station));
        let what = Published::Station(station);
        if self.later.get(&what).is_some_and(|due| *due > batch.now) && self.contests.is_lost(&what) {
            return;
        }
        let mut kept = None;
        let mut taken = false;
        let mut rows: Vec<_> = view.mirror.local.of(station).collect();
        rows.sort_unstable_by_key(|(uuid, _)| *uuid);
        for (row, found) in rows {
            match self.owner(view.mirror.locators.get(&found.locator)) {
                Owner::Current if wanted.is_some() && kept.is_none() => kept = Some((row, found)),
                // A duplicate row is deleted.
                Owner::Current | Owner::Former => {
                    batch.delete(tables::UCAST_MACS_LOCAL, row);
                    taken = true;
                }
                Owner::Other => {}
            }
        }
        match (wanted, kept) {
            (Some(ip), None) => {
                batch.insert_station(station, ip);
                batch.acts.push((what, Act::Put));
                batch.addresses.extend(ip.map(|_| station));
            }
            (Some(ip), Some((row, Ucast { ip: known, .. }))) if ip != known => match self.addressed.get(&station) {
                Some(written) if batch.now < *written + ADDRESS_EVERY => {
                    batch.later.push((what, *written + ADDRESS_EVERY));
                }
                _ => {
                    batch.set_ip(row, ip);
                    batch.addresses.push(station);
                }
            },
            (None, _) if taken => batch.acts.push((what, Act::Take)),
            _ => {}
        }
        if self.contests.is_lost(&what) {
            // One more attempt is made now, and the next one only after a while.
            batch.later.push((what, batch.now + LEFT));
        }
    }

    /// Returns true if a station is behind another VTEP: by the rows of the controller, or by the rows still in force.
    fn is_remote(&self, view: View<'_>, station: Station) -> bool {
        let (uuid, mac) = station;
        // A locator that cannot be read still leads elsewhere.
        let elsewhere = |row: &Ucast| self.owner(view.mirror.locators.get(&row.locator)) == Owner::Other;
        let name = view.mapping.name(uuid);
        let in_force = name.and_then(|name| view.rows.switches.get(name)).and_then(|switch| switch.macs.get(&mac));
        view.mirror.remote.of(station).any(|(_, row)| elsewhere(&row)) || matches!(in_force, Some(Location::Remote(_)))
    }

    /// Reconciles the row of `Mcast_Macs_Local` that makes other VTEPs send unknown destinations here.
    fn flood_member(&self, view: View<'_>, uuid: Uuid, batch: &mut Batch<'_>) {
        let what = Published::Flood(uuid);
        if self.later.get(&what).is_some_and(|due| *due > batch.now) && self.contests.is_lost(&what) {
            return;
        }
        let wanted = self.bound.contains_key(&uuid);
        let (mut kept, mut taken) = (false, false);
        for (row, found) in view.mirror.mcast_local.unknown(uuid) {
            let owners: BTreeSet<Owner> =
                view.mirror.members(found).map(|(_, locator)| self.owner(Some(locator))).collect();
            let current = owners.contains(&Owner::Current);
            if wanted && current && !kept {
                kept = true;
            } else if !owners.is_empty() && !owners.contains(&Owner::Other) {
                batch.delete(tables::MCAST_MACS_LOCAL, row);
                taken = true;
            }
        }
        if wanted && !kept {
            batch.insert_flood_member(uuid);
            batch.acts.push((what, Act::Put));
        } else if !wanted && taken {
            batch.acts.push((what, Act::Take));
        }
        if self.contests.is_lost(&what) {
            batch.later.push((what, batch.now + LEFT));
        }
    }

    fn owner(&self, locator: Option<&Locator>) -> Owner {
        match locator {
            Some(locator) if !locator.vxlan => Owner::Other,
            Some(locator) if Some(locator.address) == self.identity.tunnel_ip() => Owner::Current,
            Some(Locator { address, .. }) if self.identity.is_own(*address) || self.former.contains(address) => {
                Owner::Former
            }
            _ => Owner::Other,
        }
    }
}

fn learned_in(learned: &Option<BTreeMap<(Vni, MacAddr), Option<IpAddr>>>, vni: Vni) -> impl Iterator<Item = MacAddr> {
    let all = (vni, MacAddr([0; 6]))..=(vni, MacAddr::BROADCAST);
    learned.iter().flat_map(move |learned| learned.range(all.clone())).map(|((_, mac), _)| *mac)
}

/// Owner of a locator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// The locator leads to the address that this gateway publishes.
    Current,
    /// The locator leads to this gateway, by an address that is not published, or no longer.
    Former,
    /// The locator leads elsewhere.
    Other,
}

/// Operations of one transaction.
struct Batch<'m> {
    mirror: &'m Mirror,
    own: IpAddr,
    operations: Vec<Operation>,
    /// This gateway's locator, once one is needed: its row, or `None` if it has to be inserted.
    locator: Option<Option<Uuid>>,
    /// Switches to which stations are added.
    switches: BTreeSet<Uuid>,
    now: Duration,
    /// Writes of the transaction, for the count of repeated ones.
    acts: Vec<(Published, Act)>,
    /// Stations whose address it writes.
    addresses: Vec<Station>,
    /// Rows that it leaves for later.
    later: Vec<(Published, Duration)>,
}

impl<'m> Batch<'m> {
    fn new(mirror: &'m Mirror, own: IpAddr, now: Duration) -> Self {
        let (operations, locator, switches) = (Vec::new(), None, BTreeSet::new());
        let (acts, addresses, later) = (Vec::new(), Vec::new(), Vec::new());
        Self { mirror, own, operations, locator, switches, now, acts, addresses, later }
    }

    fn delete(&mut self, table: &'static str, row: Uuid) {
        self.operations.push(Operation::Delete { table, condition: vec![Condition::row(row)] });
    }

    fn set_ip(&mut self, row: Uuid, ip: Option<IpAddr>) {
        self.operations.push(Operation::Update {
            table: tables::UCAST_MACS_LOCAL,
            condition: vec![Condition::row(row)],
            row: vec![("ipaddr", text(ip).into())],
        });
    }

    fn insert_station(&mut self, (switch, mac): Station, ip: Option<IpAddr>) {
        let row = vec![
            ("MAC", mac.to_string().into()),
            ("logical_switch", switch.into()),
            ("locator", self.locator().into()),
            ("ipaddr", text(ip).into()),
        ];
        self.insert(tables::UCAST_MACS_LOCAL, switch, row);
    }

    fn insert_flood_member(&mut self, switch: Uuid) {
        let name = format!("set{}", self.operations.len());
        let locators = Datum::set([self.locator()]);
        self.operations.push(Operation::Insert {
            table: tables::PHYSICAL_LOCATOR_SET,
            row: vec![("locators", locators)],
            uuid_name: Some(name.clone()),
        });
        let row = vec![
            ("MAC", tables::UNKNOWN_DST.into()),
            ("logical_switch", switch.into()),
            ("locator_set", Atom::named(name).into()),
        ];
        self.insert(tables::MCAST_MACS_LOCAL, switch, row);
    }

    fn insert(&mut self, table: &'static str, switch: Uuid, row: Row) {
        self.switches.insert(switch);
        self.operations.push(Operation::Insert { table, row, uuid_name: None });
    }

    /// Returns this gateway's locator. A locator with a tunnel key of its own is not usable: the key of the switch has
    /// to apply.
    fn locator(&mut self) -> Atom {
        let (mirror, own) = (self.mirror, self.own);
        let is_own = |locator: &Locator| locator.vxlan && locator.address == own && locator.vni.is_none();
        let found = *self.locator.get_or_insert_with(|| {
            mirror.locators.iter().filter(|(_, locator)| is_own(locator)).map(|(uuid, _)| *uuid).min()
        });
        found.map_or_else(|| Atom::named(NEW_LOCATOR), Atom::Uuid)
    }

    fn finish(self) -> Vec<Operation> {
        if self.operations.is_empty() {
            return Vec::new();
        }
        let mut operations = Vec::with_capacity(self.operations.len() + self.switches.len() + 1);
        // A switch that is unbound in the meantime gets no stations.
        for switch in &self.switches {
            let Some(row) = self.mirror.switches.get(switch) else { continue };
            let key = match row.key {
                TunnelKey::Unset => None,
                TunnelKey::Zero => Some(0),
                TunnelKey::Vni(vni) => Some(i64::from(vni.get())),
            };
            operations.push(Operation::Wait {
                table: tables::LOGICAL_SWITCH,
                condition: vec![Condition::row(*switch)],
                columns: vec!["tunnel_key"],
                rows: vec![vec![("tunnel_key", key.into())]],
                until_equal: true,
                timeout_ms: 0,
            });
        }
        if self.locator == Some(None) {
            // The schema allows one row for each address. Of two gateways that insert the same one, the later is
            // refused, sees the existing row, and uses it.
            operations.push(Operation::Insert {
                table: tables::PHYSICAL_LOCATOR,
                row: vec![("encapsulation_type", tables::VXLAN.into()), ("dst_ip", self.own.to_string().into())],
                uuid_name: Some(NEW_LOCATOR.to_owned()),
            });
        }
        operations.extend(self.operations);
        operations
    }
}

fn text(ip: Option<IpAddr>) -> String {
    ip.map(|ip| ip.to_string()).unwrap_or_default()
}
