//! Stations that the kernel has learned behind access ports, for the database and for other nodes.
//!
//! Events report new stations at once. The FDB scan reads the map now and then. It finds the stations of lost events,
//! and those that have aged.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::IpAddr,
};

use gateway_common::{
    binding::BindingKey,
    event::{self, LearnEvent},
    fdb::{self, FdbKey},
    net::{MacAddr, Vni},
};
use gateway_sources::{Local, vtep::LocalMac};

/// Learned stations by logical switch and MAC.
pub(super) type LearnedStations = BTreeMap<FdbKey, Known>;

/// State of a station behind an access port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Port and VLAN of the station.
    pub(super) at: BindingKey,
    /// IP address that the station announced last.
    pub(super) ip: Option<IpAddr>,
}

/// Stations behind access ports, and those that have changed since the last query. The cost of a change does not depend
/// on the number of stations; only an FDB scan compares all of them.
#[derive(Debug, Default)]
pub(super) struct Stations {
    known: LearnedStations,
    changed: BTreeSet<FdbKey>,
    /// True if the database has received all stations once. From then on it receives changes.
    published: bool,
}

impl Stations {
    /// Takes over a learning event of the kernel.
    pub(super) fn event(&mut self, event: &LearnEvent) {
        let key = FdbKey::new(event.vni, event.mac);
        if event.to.kind != fdb::LOCAL {
            return self.gone(&key);
        }
        if event.kind == event::SNOOPED {
            // An address alone is not a station. The MAC may be static, or not learned because of a limit.
            return self.announced(key, event.ip.into());
        }
        self.there(key, BindingKey { ifindex: event.to.out, vlan: event.to.vlan, reserved: 0 });
    }

    /// Sets the address that a known station has announced, here or to another node.
    pub(super) fn announced(&mut self, key: FdbKey, ip: IpAddr) {
        if let Some(known) = self.known.get_mut(&key)
            && known.ip != Some(ip)
        {
            known.ip = Some(ip);
            self.changed.insert(key);
        }
    }

    /// Adds a station or moves it. It keeps the address that it announced.
    pub(super) fn there(&mut self, key: FdbKey, at: BindingKey) {
        match self.known.entry(key) {
            Entry::Occupied(known) if known.get().at == at => return,
            Entry::Occupied(known) => known.into_mut().at = at,
            Entry::Vacant(entry) => {
                entry.insert(Known { at, ip: None });
            }
        }
        self.changed.insert(key);
    }

    /// Removes a station.
    pub(super) fn gone(&mut self, key: &FdbKey) {
        if self.known.remove(key).is_some() {
            self.changed.insert(*key);
        }
    }

    /// Returns the number of stations.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns all stations.
    pub(super) fn all(&self) -> &LearnedStations {
        &self.known
    }

    /// Returns the state of a station.
    pub(super) fn get(&self, key: &FdbKey) -> Option<&Known> {
        self.known.get(key)
    }

    /// Takes over an FDB scan: adds stations of lost events, and removes those that are gone.
    pub(super) fn fdb_scan(&mut self, present: &BTreeMap<FdbKey, BindingKey>) {
        let gone: Vec<FdbKey> = self.known.keys().filter(|key| !present.contains_key(key)).copied().collect();
        gone.iter().for_each(|key| self.gone(key));
        present.iter().for_each(|(key, at)| self.there(*key, *at));
    }

    /// Takes the stations that were learned, moved, aged or withdrawn since the last call, or have announced an
    /// address.
    pub(super) fn changed(&mut self) -> BTreeSet<FdbKey> {
        std::mem::take(&mut self.changed)
    }

    /// Returns these changes for the database. The first time it returns all stations, because a station that an
    /// earlier run has published is withdrawn unless it is among them.
    pub(super) fn changes(&mut self, changed: &BTreeSet<FdbKey>) -> Vec<Local> {
        if !std::mem::replace(&mut self.published, true) {
            return vec![Local::All(self.known.iter().filter_map(|(key, known)| local(key, known)).collect())];
        }
        let change = |key: &FdbKey| match self.known.get(key) {
            Some(known) => local(key, known).map(Local::Learned),
            None => Some(Local::Gone(Vni::new(key.vni)?, MacAddr(key.mac))),
        };
        changed.iter().filter_map(change).collect()
    }
}

/// Converts a station to the form of the database.
fn local(key: &FdbKey, known: &Known) -> Option<LocalMac> {
    Some(LocalMac { vni: Vni::new(key.vni)?, mac: MacAddr(key.mac), ip: known.ip })
}

#[cfg(test)]
mod tests {
    use gateway_common::{fdb::Target, tunnel::Addr};
    use proptest::prelude::*;

    use super::*;

    const KEY: FdbKey = FdbKey::new(5001, [2, 0xee, 0, 0, 0, 1]);
    const AT: BindingKey = BindingKey { ifindex: 3, vlan: 100, reserved: 0 };

    fn event(kind: u32, to: Target, ip: Addr) -> LearnEvent {
        LearnEvent { kind, vni: KEY.vni, mac: KEY.mac, reserved: 0, to, ip }
    }

    fn learned() -> LearnEvent {
        event(event::LEARNED, Target::local(3, 100, 0), Addr::NONE)
    }

    fn snooped(last: u8) -> LearnEvent {
        event(event::SNOOPED, Target::local(3, 100, 0), Addr::v4([10, 0, 0, last]))
    }

    fn ip(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    fn key(number: u32) -> FdbKey {
        let [_, _, a, b] = number.to_be_bytes();
        FdbKey::new(5001, [2, 0xee, 0, 0, a, b])
    }

    impl Stations {
        fn take(&mut self) -> Vec<Local> {
            let changed = self.changed();
            if changed.is_empty() { Vec::new() } else { self.changes(&changed) }
        }
    }

    fn there(key: FdbKey, ip: Option<IpAddr>) -> LocalMac {
        LocalMac { vni: Vni::new(key.vni).unwrap(), mac: MacAddr(key.mac), ip }
    }

    #[test]
    fn a_station_is_published_once_and_again_with_its_address() {
        let mut stations = Stations::default();
        stations.event(&learned());
        assert_eq!(stations.take(), [Local::All([there(KEY, None)].into())]);
        stations.event(&learned());
        assert_eq!(stations.take(), []);
        stations.event(&snooped(1));
        assert_eq!(stations.take(), [Local::Learned(there(KEY, ip(1)))]);
        stations.event(&snooped(1));
        assert_eq!(stations.take(), []);
    }

    #[test]
    fn one_that_moves_to_a_tunnel_is_no_longer_here() {
        let mut stations = Stations::default();
        stations.event(&learned());
        stations.take();
        stations.event(&event(event::MOVED, Target::remote(0, 5001), Addr::NONE));
        assert_eq!(stations.take(), [Local::Gone(Vni::new(5001).unwrap(), MacAddr(KEY.mac))]);
    }

    #[test]
    fn one_that_moves_to_another_port_is_there_and_keeps_its_address() {
        let mut stations = Stations::default();
        stations.event(&learned());
        stations.event(&snooped(1));
        stations.changed();
        stations.event(&event(event::MOVED, Target::local(4, 0, 0), Addr::NONE));
        assert_eq!(stations.changed(), [KEY].into());
        let at = BindingKey { ifindex: 4, vlan: 0, reserved: 0 };
        assert_eq!(stations.get(&KEY), Some(&Known { at, ip: ip(1) }));
    }

    #[test]
    fn an_address_of_a_station_not_learned_is_nothing() {
        let mut stations = Stations::default();
        stations.event(&snooped(1));
        assert_eq!(stations.take(), []);
    }

    #[test]
    fn an_fdb_scan_adds_missed_stations_and_removes_aged_ones() {
        let mut stations = Stations::default();
        stations.event(&learned());
        stations.event(&snooped(1));
        stations.take();
        let other = FdbKey::new(5001, [2, 0xee, 0, 0, 0, 2]);
        stations.fdb_scan(&[(KEY, AT), (other, AT)].into());
        assert_eq!(stations.all(), &[(KEY, Known { at: AT, ip: ip(1) }), (other, Known { at: AT, ip: None })].into());
        assert_eq!(stations.take(), [Local::Learned(there(other, None))]);
        stations.fdb_scan(&[(other, AT)].into());
        assert_eq!(stations.take(), [Local::Gone(Vni::new(5001).unwrap(), MacAddr(KEY.mac))]);
        let elsewhere = BindingKey { ifindex: 4, ..AT };
        stations.fdb_scan(&[(other, elsewhere)].into());
        assert_eq!(stations.get(&other).map(|known| known.at), Some(elsewhere), "a move whose event was lost");
    }

    #[test]
    fn one_change_goes_to_the_database_for_a_learned_mac_however_many_there_are() {
        for many in [10, 1000, 20_000] {
            let mut stations = Stations::default();
            stations.fdb_scan(&(0..many).map(|number| (key(number), AT)).collect());
            assert!(matches!(stations.take()[..], [Local::All(_)]));
            for number in many..many + 100 {
                stations.there(key(number), AT);
                assert_eq!(stations.take(), [Local::Learned(there(key(number), None))], "of {many}");
            }
        }
    }

    /// Test input: an event of the stations.
    #[derive(Clone, Debug)]
    enum Step {
        /// The kernel has learned a station, or found it elsewhere.
        Learn(u32, u32),
        /// The station is behind a tunnel.
        Withdraw(u32),
        /// The station announces an address.
        Announce(u32, u8),
        /// An FDB scan has found these stations.
        Scan(BTreeMap<u32, u32>),
        /// End of a turn of the loop.
        Publish,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..30u32, 1..4u32).prop_map(|(number, port)| Step::Learn(number, port)),
            1 => (0..30u32).prop_map(Step::Withdraw),
            2 => (0..30u32, 0..4u8).prop_map(|(number, last)| Step::Announce(number, last)),
            1 => prop::collection::btree_map(0..30u32, 1..4u32, 0..30).prop_map(Step::Scan),
            3 => Just(Step::Publish),
        ]
    }

    proptest! {
        /// Applying the changes gives the same stations as receiving all of them each time.
        #[test]
        fn changes_add_up_to_all(steps in prop::collection::vec(step(), 0..200)) {
            let (mut stations, mut database) = (Stations::default(), BTreeMap::new());
            for step in steps.into_iter().chain([Step::Publish]) {
                let at = |port| BindingKey { ifindex: port, ..AT };
                match step {
                    Step::Learn(number, port) => {
                        let to = Target::local(port, AT.vlan, 0);
                        stations.event(&LearnEvent { mac: key(number).mac, ..event(event::LEARNED, to, Addr::NONE) });
                    }
                    Step::Withdraw(number) => {
                        let to = Target::remote(0, 5001);
                        stations.event(&LearnEvent { mac: key(number).mac, ..event(event::MOVED, to, Addr::NONE) });
                    }
                    Step::Announce(number, last) => {
                        stations.event(&LearnEvent { mac: key(number).mac, ..snooped(last) });
                    }
                    Step::Scan(found) => {
                        let found = found.into_iter().map(|(number, port)| (key(number), at(port))).collect();
                        stations.fdb_scan(&found);
                    }
                    Step::Publish => {
                        for change in stations.take() {
                            match change {
                                Local::All(all) => {
                                    database = all.into_iter().map(|one| ((one.vni, one.mac), one.ip)).collect();
                                }
                                Local::Learned(one) => {
                                    database.insert((one.vni, one.mac), one.ip);
                                }
                                Local::Gone(vni, mac) => {
                                    database.remove(&(vni, mac));
                                }
                            }
                        }
                        let all = stations.all().iter().filter_map(|(key, known)| local(key, known));
                        let all: BTreeMap<_, _> = all.map(|one| ((one.vni, one.mac), one.ip)).collect();
                        prop_assert_eq!(&database, &all);
                    }
                }
            }
        }
    }
}
