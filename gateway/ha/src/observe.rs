//! Detection of misconfiguration in the advertisements of other routers. Pure.
//!
//! Any station on the segment can send any packet under any address, so both the memory and the rate of new reports are
//! bounded: a problem occupies a place per sender and kind, and a place becomes free only after a while.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    net::IpAddr,
    time::Duration,
};

use gateway_vrrp::{Advertisement, Envelope, Interval, PacketError, Priority, Time, Version, longest};

/// The most problems that are remembered.
const ROOM: usize = 32;
/// The most problems of one kind that are remembered, counted by sender.
const ROOM_PER_KIND: usize = 4;
/// The most other routers that are remembered.
const OTHERS: usize = 64;
/// Time after which a problem that was not seen again is gone, if its sender gives no interval.
const MEMORY: Duration = Duration::from_secs(60);
/// Least time between two changes of a problem's text.
const REWORD: Duration = Duration::from_secs(10);

/// Kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Foreign,
    Addresses,
    Version,
    Interval,
    Stranger,
    OwnAddress,
    Priority,
    Authentication,
    Inauthentic,
    Clock,
    Ttl,
    Checksum,
    Malformed,
    Multicast,
}

/// Result of the check of a valid advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The virtual router handles it.
    Accepted,
    /// It is from a router that should not send it.
    Stranger,
    /// It is of another virtual router with the same VRID.
    Foreign,
}

/// Values that this node expects.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Source address of this node.
    pub own: IpAddr,
    /// The configured version.
    pub version: Version,
    /// The configured priority.
    pub priority: Priority,
    /// The configured time between advertisements.
    pub interval: Interval,
    /// The virtual addresses of the address family in use.
    pub addresses: &'a [IpAddr],
    /// The configured peers; empty with multicast.
    pub peers: &'a [IpAddr],
}

/// Another router of the same virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its last advertised priority; 0: it has left.
    pub priority: u8,
    /// Its protocol version.
    pub version: Version,
    /// Its advertised interval.
    pub interval: Interval,
    /// Time at which its last advertisement arrived.
    pub received: Time,
}

#[derive(Clone, Debug)]
struct Sighting {
    text: String,
    worded: Time,
    until: Time,
}

/// Observations of the other routers of one virtual router.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    sightings: BTreeMap<(Kind, IpAddr), Sighting>,
    others: BTreeMap<IpAddr, Other>,
}

impl Observer {
    /// Checks a valid advertisement with the right VRID.
    pub fn check(&mut self, advert: &Advertisement, envelope: &Envelope, expected: Expected<'_>, now: Time) -> Verdict {
        let from = envelope.from;
        let life = advert.interval.three().max(Duration::from_secs(3));
        let mut note = |kind, text: fmt::Arguments<'_>| self.note(kind, from, text, now, now + life);
        if from == expected.own {
            note(
                Kind::OwnAddress,
                format_args!(
                    "an advertisement came from this node's own address {from}: a loop in the network, or another host has it"
                ),
            );
            return Verdict::Stranger;
        }
        if !expected.peers.is_empty() && !expected.peers.contains(&from) {
            note(
                Kind::Stranger,
                format_args!("{from} advertises the same VRID and is none of the configured peers: it is ignored"),
            );
            return Verdict::Stranger;
        }
        if !expected.peers.is_empty() && envelope.to.is_multicast() {
            note(
                Kind::Multicast,
                format_args!(
                    "{from} advertises to {}, though peers are configured here: it is ignored; configure peers there too",
                    envelope.to
                ),
            );
            return Verdict::Stranger;
        }
        let common = advert.addresses.iter().filter(|address| expected.addresses.contains(address)).count();
        if common == 0 {
            note(
                Kind::Foreign,
                format_args!(
                    "{from} uses the same VRID for {}: it is ignored; one of the two needs another vrid",
                    List(&advert.addresses)
                ),
            );
            return Verdict::Foreign;
        }
        if common != expected.addresses.len() || common != advert.addresses.len() {
            note(
                Kind::Addresses,
                format_args!(
                    "{from} advertises {}, this node {}: they should be the same",
                    List(&advert.addresses),
                    List(expected.addresses)
                ),
            );
        }
        if advert.version != expected.version {
            note(
                Kind::Version,
                format_args!(
                    "{from} speaks version {}, this node version {}: it may not understand this node",
                    advert.version, expected.version
                ),
            );
        }
        if advert.version == Version::V2 && advert.interval != expected.interval {
            note(
                Kind::Interval,
                format_args!(
                    "{from} advertises every {}, this node every {}: version 2 wants them the same",
                    advert.interval, expected.interval
                ),
            );
        }
        if advert.interval.three() > longest(expected.interval) {
            note(
                Kind::Interval,
                format_args!(
                    "{from} advertises every {}, this node every {}: it is waited for no longer than {:?}; make them the same",
                    advert.interval,
                    expected.interval,
                    longest(expected.interval)
                ),
            );
        }
        if advert.priority == expected.priority.get() {
            note(
                Kind::Priority,
                format_args!("{from} has the same priority {}: the higher address decides", advert.priority),
            );
        }
        self.remember(advert, from, now);
        Verdict::Accepted
    }

    /// Records a packet that is not a valid advertisement.
    pub fn refuse(&mut self, error: &PacketError, from: IpAddr, now: Time) {
        let kind = match error {
            PacketError::Authentication(_) => Kind::Authentication,
            PacketError::Inauthentic(_) => Kind::Inauthentic,
            PacketError::Ttl(_) => Kind::Ttl,
            PacketError::Checksum => Kind::Checksum,
            PacketError::Version(_) => Kind::Version,
            PacketError::Interval => Kind::Interval,
            _ => Kind::Malformed,
        };
        self.note(kind, from, format_args!("an advertisement from {from} is ignored: {error}"), now, now + MEMORY);
    }

    /// Records that a sender's clock is behind this node's, or ahead of it.
    pub(crate) fn skewed(&mut self, behind: i64, from: IpAddr, now: Time) {
        let way = if behind > 0 { "behind" } else { "ahead of" };
        let text = format_args!(
            "the clock of {from} is {} s {way} this node's: beyond auth_window its advertisements are ignored, and both \
             may be active; is NTP running?",
            behind.unsigned_abs()
        );
        self.note(Kind::Clock, from, text, now, now + MEMORY);
    }

    fn note(&mut self, kind: Kind, from: IpAddr, text: fmt::Arguments<'_>, now: Time, until: Time) {
        if let Some(sighting) = self.sightings.get_mut(&(kind, from)) {
            sighting.until = until;
            if now >= sighting.worded + REWORD {
                sighting.text.clear();
                let _ = sighting.text.write_fmt(text);
                sighting.worded = now;
            }
            return;
        }
        let of_kind = self.sightings.keys().filter(|(other, _)| *other == kind).count();
        if of_kind < ROOM_PER_KIND && self.sightings.len() < ROOM {
            // A place is occupied for a while even by a problem seen once. That bounds the rate of new reports.
            let until = until.max(now + REWORD);
            self.sightings.insert((kind, from), Sighting { text: text.to_string(), worded: now, until });
        }
    }

    fn remember(&mut self, advert: &Advertisement, from: IpAddr, now: Time) {
        if self.others.contains_key(&from) || self.others.len() < OTHERS {
            let Advertisement { priority, version, interval, .. } = *advert;
            self.others.insert(from, Other { priority, version, interval, received: now });
        }
    }

    /// Forgets problems and routers that were not seen for long enough.
    pub(crate) fn expire(&mut self, now: Time) {
        self.sightings.retain(|_, sighting| sighting.until > now);
        self.others.retain(|_, other| now < other.received + MEMORY);
    }

    /// Returns the time at which there is something to forget.
    pub fn deadline(&self) -> Option<Time> {
        let others = self.others.values().map(|other| other.received + MEMORY);
        self.sightings.values().map(|sighting| sighting.until).chain(others).min()
    }

    /// Returns the texts of the problems.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.sightings.values().map(|sighting| sighting.text.as_str())
    }

    /// Returns the other routers.
    pub const fn others(&self) -> &BTreeMap<IpAddr, Other> {
        &self.others
    }
}

/// List of addresses that shows only a few, however many there are.
struct List<'a>(&'a [IpAddr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        if self.0.is_empty() {
            return f.write_str("no address");
        }
        for (at, address) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{address}", if at == 0 { "" } else { ", " })?;
        }
        if self.0.len() > SHOWN { write!(f, " and {} more", self.0.len() - SHOWN) } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
