//! Misconfiguration, seen in what others send. Pure.
//!
//! Anyone on the segment can send anything under any address, so what is remembered is bounded, and so is how often
//! something new is told: a problem has a place per sender and kind, and a place is free again only after a while.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    net::IpAddr,
    time::Duration,
};

use gateway_vrrp::{Advertisement, Envelope, Interval, PacketError, Priority, Time, Version, longest};

/// Problems remembered at once.
const ROOM: usize = 32;
/// Of those, from senders of one kind of problem.
const ROOM_PER_KIND: usize = 4;
/// Other routers remembered at once.
const OTHERS: usize = 64;
/// A problem not seen for so long is gone, where its sender gives no interval.
const MEMORY: Duration = Duration::from_secs(60);
/// The text of a problem changes no more often than this.
const REWORD: Duration = Duration::from_secs(10);

/// What can be wrong.
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

/// What becomes of a sound advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The virtual router hears it.
    Heard,
    /// It is of somebody who should not send it.
    Stranger,
    /// It is of another virtual router with the same VRID.
    Foreign,
}

/// What this node holds to be right.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Our own source address.
    pub own: IpAddr,
    /// As configured.
    pub version: Version,
    /// As configured.
    pub priority: Priority,
    /// Time between advertisements, as configured.
    pub interval: Interval,
    /// The virtual addresses of the family that is spoken.
    pub addresses: &'a [IpAddr],
    /// The configured peers; empty with multicast.
    pub peers: &'a [IpAddr],
}

/// Another router of the same virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// The priority it gave last; 0: it left.
    pub priority: u8,
    /// The protocol's version it speaks.
    /// As configured.
    pub version: Version,
    /// The interval it gives.
    /// Time between advertisements, as configured.
    pub interval: Interval,
    /// When it was last heard.
    pub heard: Time,
}

#[derive(Clone, Debug)]
struct Sighting {
    text: String,
    worded: Time,
    until: Time,
}

/// What was seen of others on one virtual router.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    sightings: BTreeMap<(Kind, IpAddr), Sighting>,
    others: BTreeMap<IpAddr, Other>,
}

impl Observer {
    /// Looks at a sound advertisement under the right VRID.
    pub fn hear(&mut self, heard: &Advertisement, envelope: &Envelope, expected: Expected<'_>, now: Time) -> Verdict {
        let from = envelope.from;
        let life = heard.interval.three().max(Duration::from_secs(3));
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
        let common = heard.addresses.iter().filter(|address| expected.addresses.contains(address)).count();
        if common == 0 {
            note(
                Kind::Foreign,
                format_args!(
                    "{from} uses the same VRID for {}: it is ignored; one of the two needs another vrid",
                    List(&heard.addresses)
                ),
            );
            return Verdict::Foreign;
        }
        if common != expected.addresses.len() || common != heard.addresses.len() {
            note(
                Kind::Addresses,
                format_args!(
                    "{from} advertises {}, this node {}: they should be the same",
                    List(&heard.addresses),
                    List(expected.addresses)
                ),
            );
        }
        if heard.version != expected.version {
            note(
                Kind::Version,
                format_args!(
                    "{from} speaks version {}, this node version {}: it may not understand this node",
                    heard.version, expected.version
                ),
            );
        }
        if heard.version == Version::V2 && heard.interval != expected.interval {
            note(
                Kind::Interval,
                format_args!(
                    "{from} advertises every {}, this node every {}: version 2 wants them the same",
                    heard.interval, expected.interval
                ),
            );
        }
        if heard.interval.three() > longest(expected.interval) {
            note(
                Kind::Interval,
                format_args!(
                    "{from} advertises every {}, this node every {}: it is waited for no longer than {:?}; make them the same",
                    heard.interval,
                    expected.interval,
                    longest(expected.interval)
                ),
            );
        }
        if heard.priority == expected.priority.get() {
            note(
                Kind::Priority,
                format_args!("{from} has the same priority {}: the higher address decides", heard.priority),
            );
        }
        self.remember(heard, from, now);
        Verdict::Heard
    }

    /// Looks at something that is no sound advertisement.
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

    /// Takes note that a sender's clock is behind this node's, or ahead of it.
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
            // A place is taken for a while even by one seen once: that bounds how often something new is told.
            let until = until.max(now + REWORD);
            self.sightings.insert((kind, from), Sighting { text: text.to_string(), worded: now, until });
        }
    }

    fn remember(&mut self, heard: &Advertisement, from: IpAddr, now: Time) {
        if self.others.contains_key(&from) || self.others.len() < OTHERS {
            let Advertisement { priority, version, interval, .. } = *heard;
            self.others.insert(from, Other { priority, version, interval, heard: now });
        }
    }

    /// Forgets what was not seen for long enough.
    pub(crate) fn expire(&mut self, now: Time) {
        self.sightings.retain(|_, sighting| sighting.until > now);
        self.others.retain(|_, other| now < other.heard + MEMORY);
    }

    /// When there is something to forget.
    pub fn deadline(&self) -> Option<Time> {
        let others = self.others.values().map(|other| other.heard + MEMORY);
        self.sightings.values().map(|sighting| sighting.until).chain(others).min()
    }

    /// What is wrong.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.sightings.values().map(|sighting| sighting.text.as_str())
    }

    /// The other routers.
    pub const fn others(&self) -> &BTreeMap<IpAddr, Other> {
        &self.others
    }
}

/// A few addresses, whatever their number.
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
