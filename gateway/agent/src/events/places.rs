//! Tracks the places of learned stations, as far as events have reported them. An event of a move has the old place,
//! and an event of an aged station has its last place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gateway_common::{
    binding::BindingKey,
    event::LearnEvent,
    fdb::{self, FdbKey},
};

/// Place of a station, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A VLAN of an access port.
    Port(BindingKey),
    /// A tunnel, and the VNI to send with.
    Tunnel(u32, u32),
}

impl At {
    /// Converts a target of the forwarding database.
    pub(crate) fn of(to: &fdb::Target) -> Self {
        match to.kind {
            fdb::REMOTE => Self::Tunnel(to.out, to.vni),
            _ => Self::Port(BindingKey { ifindex: to.out, vlan: to.vlan, reserved: 0 }),
        }
    }
}

/// Learned stations, each with its place if that is known. The number of stations is bounded by those that the kernel
/// has learned: it reports each of them, and the next FDB scan removes those that are gone.
#[derive(Debug, Default)]
pub(crate) struct Places {
    known: HashMap<FdbKey, Option<At>>,
}

/// Differences that an FDB scan has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Stations that are gone, with their last place.
    pub gone: Vec<(FdbKey, Option<At>)>,
    /// Stations that are present but were in no event.
    pub found: Vec<FdbKey>,
}

impl Places {
    /// Takes over a learning event. Returns the previous place, if that is known.
    pub(crate) fn event(&mut self, event: &LearnEvent) -> Option<At> {
        self.known.insert(FdbKey::new(event.vni, event.mac), Some(At::of(&event.to))).flatten()
    }

    /// Sets the place of a station that an FDB scan has found.
    pub(crate) fn found(&mut self, key: FdbKey, at: At) {
        self.known.insert(key, Some(at));
    }

    /// Takes over the stations of an FDB scan, behind access ports and behind tunnels.
    pub(crate) fn fdb_scan(&mut self, local: &BTreeMap<FdbKey, BindingKey>, remote: &BTreeSet<FdbKey>) -> Difference {
        let is_there = |key: &FdbKey| local.contains_key(key) || remote.contains(key);
        let gone = self.known.extract_if(|key, _| !is_there(key)).collect();
        let all = local.keys().chain(remote).copied();
        let found: Vec<FdbKey> = all.filter(|key| !self.known.contains_key(key)).collect();
        self.known.extend(found.iter().map(|key| (*key, None)));
        Difference { gone, found }
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::{event, fdb::Target, tunnel::Addr};

    use super::*;

    const KEY: FdbKey = FdbKey::new(5001, [2, 0xee, 0, 0, 0, 1]);
    const OTHER: FdbKey = FdbKey::new(5001, [2, 0xee, 0, 0, 0, 2]);

    fn event(kind: u32, to: Target) -> LearnEvent {
        LearnEvent { kind, vni: KEY.vni, mac: KEY.mac, reserved: 0, to, ip: Addr::NONE }
    }

    #[test]
    fn a_move_has_the_old_place() {
        let mut places = Places::default();
        assert_eq!(places.event(&event(event::LEARNED, Target::local(3, 100, 0))), None);
        let before = places.event(&event(event::MOVED, Target::remote(7, 5001)));
        assert_eq!(before, Some(At::Port(BindingKey { ifindex: 3, vlan: 100, reserved: 0 })));
        assert_eq!(places.event(&event(event::MOVED, Target::local(3, 100, 0))), Some(At::Tunnel(7, 5001)));
    }

    #[test]
    fn an_fdb_scan_finds_what_is_gone_and_what_was_missed_once() {
        let mut places = Places::default();
        places.event(&event(event::LEARNED, Target::remote(7, 5001)));
        let at = BindingKey { ifindex: 3, vlan: 100, reserved: 0 };
        let (local, remote) = (BTreeMap::from([(OTHER, at)]), BTreeSet::new());
        let difference = places.fdb_scan(&local, &remote);
        assert_eq!(difference, Difference { gone: vec![(KEY, Some(At::Tunnel(7, 5001)))], found: vec![OTHER] });
        assert_eq!(places.fdb_scan(&local, &remote), Difference::default());
    }
}
