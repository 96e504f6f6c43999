//! The stations that the kernel has learned behind access ports, for a database that wants to be told of them.
//!
//! Events say at once what is new; the census says now and then what is really there, so that nothing is missed for long
//! and what has aged goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::{
    binding::BindingKey,
    event::{self, LearnEvent},
    fdb::{self, FdbKey},
};

/// Stations behind access ports, as another node is told of them: where each is, and the IP address it announced last.
pub(super) type Heard = BTreeMap<FdbKey, (BindingKey, Option<IpAddr>)>;

/// Stations by logical switch and MAC, with the IP address they announced last.
#[derive(Debug, Default)]
pub(super) struct Stations {
    known: BTreeMap<FdbKey, Option<IpAddr>>,
    changed: bool,
}

impl Stations {
    /// Takes in what the kernel told.
    pub(super) fn event(&mut self, event: &LearnEvent) {
        let key = FdbKey::new(event.vni, event.mac);
        if event.to.kind != fdb::LOCAL {
            self.changed |= self.known.remove(&key).is_some();
            return;
        }
        let ip = (event.kind == event::SNOOPED).then(|| IpAddr::from(event.ip));
        match self.known.get_mut(&key) {
            None => {
                // An address alone is not a station: it may be given, or not learned because of a limit.
                if event.kind != event::SNOOPED {
                    self.known.insert(key, None);
                    self.changed = true;
                }
            }
            Some(known) if ip.is_some() && *known != ip => {
                *known = ip;
                self.changed = true;
            }
            Some(_) => {}
        }
    }

    /// Takes in what another node has heard a station announce.
    pub(super) fn announced(&mut self, key: FdbKey, ip: IpAddr) {
        if let Some(known) = self.known.get_mut(&key)
            && *known != Some(ip)
        {
            *known = Some(ip);
            self.changed = true;
        }
    }

    /// A station that another node has learned is behind a port here, too.
    pub(super) fn there(&mut self, key: FdbKey) {
        if let std::collections::btree_map::Entry::Vacant(entry) = self.known.entry(key) {
            entry.insert(None);
            self.changed = true;
        }
    }

    /// A station is gone.
    pub(super) fn gone(&mut self, key: &FdbKey) {
        self.changed |= self.known.remove(key).is_some();
    }

    /// All of them.
    pub(super) fn all(&self) -> &BTreeMap<FdbKey, Option<IpAddr>> {
        &self.known
    }

    /// Takes in which stations are there now.
    pub(super) fn census(&mut self, present: &BTreeSet<FdbKey>) {
        let before = self.known.len();
        self.known.retain(|key, _| present.contains(key));
        self.changed |= self.known.len() != before;
        for key in present {
            self.known.entry(*key).or_insert_with(|| {
                self.changed = true;
                None
            });
        }
    }

    /// All of them, if that is something else than the last time.
    pub(super) fn changed(&mut self) -> Option<&BTreeMap<FdbKey, Option<IpAddr>>> {
        std::mem::take(&mut self.changed).then_some(&self.known)
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::{fdb::Target, tunnel::Addr};

    use super::*;

    const KEY: FdbKey = FdbKey::new(5001, [2, 0xee, 0, 0, 0, 1]);

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

    #[test]
    fn a_station_is_told_of_once_and_again_with_its_address() {
        let mut stations = Stations::default();
        stations.event(&learned());
        assert_eq!(stations.changed().unwrap().get(&KEY), Some(&None));
        stations.event(&learned());
        assert!(stations.changed().is_none());
        stations.event(&snooped(1));
        assert_eq!(stations.changed().unwrap().get(&KEY), Some(&ip(1)));
        stations.event(&snooped(1));
        assert!(stations.changed().is_none());
    }

    #[test]
    fn one_that_moves_to_a_tunnel_is_no_longer_here() {
        let mut stations = Stations::default();
        stations.event(&learned());
        stations.event(&event(event::MOVED, Target::remote(0, 5001), Addr::NONE));
        assert!(stations.changed().unwrap().is_empty());
    }

    #[test]
    fn an_address_of_a_station_not_learned_is_nothing() {
        let mut stations = Stations::default();
        stations.event(&snooped(1));
        assert!(stations.changed().is_none());
    }

    #[test]
    fn the_census_adds_what_was_missed_and_takes_what_has_aged() {
        let mut stations = Stations::default();
        stations.event(&learned());
        stations.event(&snooped(1));
        stations.changed();
        let other = FdbKey::new(5001, [2, 0xee, 0, 0, 0, 2]);
        stations.census(&[KEY, other].into());
        assert_eq!(stations.changed().unwrap(), &[(KEY, ip(1)), (other, None)].into());
        stations.census(&[other].into());
        assert_eq!(stations.changed().unwrap(), &[(other, None)].into());
    }
}
