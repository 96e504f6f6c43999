//! Authentication of advertisements: the trailer of `draft-cassen-vrrp-auth-hmac`, `auth_hmac` in keepalived.
//!
//! ```text
//!     0                   1                   2                   3
//!    +---------------+---------------+-------------------------------+
//!    | scheme = 1    | key           | zero                          |
//!    +---------------+---------------+-------------------------------+
//!    | seconds since 1970                                            |
//!    +-------------------------------+-------------------------------+
//!    | fraction of the second, 2^-16 | tie breaker                   |
//!    +-------------------------------+-------------------------------+
//!    | HMAC-SHA-256, its first 16 bytes                              |
//!    +---------------------------------------------------------------+
//! ```
//!
//! The trailer stands behind the message. The HMAC covers 20 bytes with address family, version, VRID and sender, then
//! the message with a checksum of zero, then the trailer with an HMAC of zero. Time and tie breaker form one number
//! that only grows, so that a receiver can refuse a number that it has accepted before. Over IPv4 the message's
//! checksum excludes the trailer. Over IPv6 it is that of the whole packet, as RFC 8200 section 8.1 requires.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    Advertisement, Envelope, PacketError, Time, Version, Vrid,
    packet::{TRAILER_LEN, Trailer},
};

/// Permitted length of a key in bytes.
pub const KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// Scheme of the trailer: HMAC-SHA-256, truncated to 128 bits.
const SCHEME: u8 = 1;
const HMAC_AT: usize = 12;
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// The most senders whose last number is remembered. Only a sender that has a key is remembered.
const SENDERS: usize = 32;

/// Clock difference in seconds from which on it is reported, even within the window.
const SKEW: i64 = 5;

/// Time since 1970, on a clock that the nodes have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub Duration);

/// Secret of 32 to 64 bytes. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Returns `None` if there are too few bytes, or too many.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        KEY_BYTES.contains(&bytes.len()).then(|| Self(Arc::new(bytes)))
    }

    /// Returns the bytes, for key derivation.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The keys of a virtual router, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    /// All keys that are accepted.
    pub keys: BTreeMap<u8, Secret>,
    /// Number of the key that signs.
    pub active: u8,
}

/// Authentication that is required of received advertisements and applied to sent ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Signs. Accepts signed advertisements only.
    #[default]
    Enforce,
    /// Signs. Accepts also advertisements without a trailer.
    Permissive,
    /// Does not sign yet.
    ReceiveOnly,
}

/// Protection against replayed advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AntiReplay {
    /// The time must differ from this node's clock by at most that many seconds, and be later than the sender's last.
    Time(u16),
    /// The time must only be later than the sender's last. This is for nodes without a common clock.
    Monotonic,
}

/// Settings of the authentication of advertisements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// The keys.
    pub keyring: Keyring,
    /// Authentication that is required of others.
    pub mode: AuthMode,
    /// Protection against replay.
    pub replay: AntiReplay,
}

/// Reason why an advertisement is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The trailer is missing, but required.
    #[error("it is not authenticated: has the sender no auth_keys?")]
    Missing,
    /// There is a trailer, but this node has no key.
    #[error("it is authenticated, and this node has no auth_keys to check it with")]
    NoKeys,
    /// Another scheme, or a field that is not zero.
    #[error("the authentication trailer is malformed")]
    Malformed,
    /// The number of the key is unknown.
    #[error("it is authenticated with key {0}, which is none of this node's auth_keys")]
    UnknownKey(u8),
    /// Another key with the same number, or a forgery.
    #[error("its HMAC is wrong: another key {0} than this node's, or a forgery")]
    Hmac(u8),
    /// The time is outside the window.
    #[error("its time is {0} s off this node's: the clocks differ (is NTP running?), or an old one is played back")]
    Stale(i64),
    /// The number is not later than the sender's last.
    #[error("it was sent before: it is replayed")]
    Replayed,
}

/// An advertisement that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The advertisement.
    pub advertisement: Advertisement,
    /// Seconds by which the sender's clock is behind this node's, if the difference is worth a report.
    pub skew: Option<i64>,
}

/// Authentication state of one virtual router.
#[derive(Debug)]
pub struct Authenticator {
    settings: Option<AuthSettings>,
    keys: BTreeMap<u8, hmac::Key>,
    /// The number that was sent last.
    sent: u64,
    senders: BTreeMap<IpAddr, Sender>,
    /// Rank of the sender that was received last.
    rank: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    number: u64,
    rank: u64,
}

impl Authenticator {
    /// Creates the state. Without settings nothing is signed, and signed advertisements are refused.
    pub fn new(settings: Option<AuthSettings>) -> Self {
        let keys = keys(settings.as_ref());
        Self { settings, keys, sent: 0, senders: BTreeMap::new(), rank: 0 }
    }

    /// Changes the settings, and keeps the last numbers of the senders.
    pub fn reconfigure(&mut self, settings: Option<AuthSettings>) {
        if self.settings != settings {
            self.keys = keys(settings.as_ref());
            self.settings = settings;
        }
    }

    /// Returns the trailer of an advertisement from this address, or `None` if it has no trailer.
    pub fn sign(&mut self, advertisement: &Advertisement, from: IpAddr, now: UnixTime) -> Option<Trailer> {
        let settings = self.settings.as_ref().filter(|settings| settings.mode != AuthMode::ReceiveOnly)?;
        let active = settings.keyring.active;
        self.sent = next_number(self.sent, number(now), settings.replay);
        let mut trailer = [0; TRAILER_LEN];
        trailer[..2].copy_from_slice(&[SCHEME, active]);
        trailer[4..HMAC_AT].copy_from_slice(&self.sent.to_be_bytes());
        // Without its key the HMAC stays zero, which no receiver accepts.
        if let Some(key) = self.keys.get(&active) {
            // The destination only affects the checksum, which is left out.
            let message = advertisement.emit(from, from);
            let sum = sum(key, advertisement.version, advertisement.vrid, from, &message, &trailer);
            trailer[HMAC_AT..].copy_from_slice(&sum);
        }
        Some(trailer)
    }

    /// Checks an advertisement that arrived at `now`, and returns it if it is accepted.
    ///
    /// # Errors
    /// The advertisement is damaged, or not authentic.
    pub fn read(&mut self, message: &[u8], envelope: &Envelope, now: UnixTime) -> Result<Authentic, PacketError> {
        let (advertisement, pdu, trailer) = Advertisement::parse_signed(message, envelope)?;
        let skew = match (&self.settings, trailer) {
            (None, None) => None,
            (None, Some(_)) => return Err(AuthError::NoKeys.into()),
            (Some(settings), None) if settings.mode == AuthMode::Enforce => return Err(AuthError::Missing.into()),
            (Some(_), None) => None,
            (Some(_), Some(trailer)) => self.check(&advertisement, pdu, trailer, envelope.from, now)?,
        };
        Ok(Authentic { advertisement, skew })
    }

    fn check(
        &mut self,
        advertisement: &Advertisement,
        pdu: &[u8],
        trailer: &Trailer,
        from: IpAddr,
        now: UnixTime,
    ) -> Result<Option<i64>, AuthError> {
        let Some(replay) = self.settings.as_ref().map(|settings| settings.replay) else {
            return Err(AuthError::NoKeys);
        };
        let [scheme, id, 0, 0, number @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *trailer else {
            return Err(AuthError::Malformed);
        };
        if scheme != SCHEME {
            return Err(AuthError::Malformed);
        }
        let number = u64::from_be_bytes(number);
        let behind = seconds_between(number, self::number(now));
        // This check is before the HMAC, which costs more. It can only refuse.
        if let AntiReplay::Time(window) = replay
            && behind.abs() > i64::from(window)
        {
            return Err(AuthError::Stale(behind));
        }
        let key = self.keys.get(&id).ok_or(AuthError::UnknownKey(id))?;
        let sum = sum(key, advertisement.version, advertisement.vrid, from, pdu, trailer);
        if !bool::from(sum.ct_eq(&trailer[HMAC_AT..])) {
            return Err(AuthError::Hmac(id));
        }
        self.remember(from, number, now, replay)?;
        Ok(Some(behind).filter(|behind| matches!(replay, AntiReplay::Time(_)) && behind.abs() >= SKEW))
    }

    /// Stores the number as the sender's last, if it is later than the previous one.
    fn remember(&mut self, from: IpAddr, number: u64, now: UnixTime, replay: AntiReplay) -> Result<(), AuthError> {
        if let Some(sender) = self.senders.get(&from) {
            // A last number outside the window would only exclude a sender whose clock was corrected.
            let counts = match replay {
                AntiReplay::Time(window) => {
                    seconds_between(sender.number, self::number(now)).abs() <= i64::from(window)
                }
                AntiReplay::Monotonic => true,
            };
            if counts && !is_after(number, sender.number) {
                return Err(AuthError::Replayed);
            }
        } else if self.senders.len() >= SENDERS
            && let Some(oldest) = self.senders.iter().min_by_key(|(_, sender)| sender.rank).map(|(from, _)| *from)
        {
            self.senders.remove(&oldest);
        }
        self.rank += 1;
        self.senders.insert(from, Sender { number, rank: self.rank });
        Ok(())
    }
}

fn keys(settings: Option<&AuthSettings>) -> BTreeMap<u8, hmac::Key> {
    let keys = settings.into_iter().flat_map(|settings| &settings.keyring.keys);
    keys.map(|(id, secret)| (*id, hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()))).collect()
}

/// Returns the number for a time: seconds, then a fraction of 16 bits, then 16 bits that break ties.
fn number(now: UnixTime) -> u64 {
    // The seconds wrap in 2106, and so do comparisons.
    let fraction = (u64::from(now.0.subsec_nanos()) << 16) / 1_000_000_000;
    u64::from(now.0.as_secs() as u32) << 32 | fraction << 16
}

/// Returns true if `a` comes after `b` (RFC 1982).
const fn is_after(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// Returns the seconds from `then` to `now`, both in the form of [`number`].
fn seconds_between(then: u64, now: u64) -> i64 {
    i64::from(((now >> 32) as u32).wrapping_sub((then >> 32) as u32).cast_signed())
}

/// Returns the number of the clock, or the last number plus one. If the clock was set back so far that receivers would
/// refuse the last number, the sender follows the clock again.
fn next_number(last: u64, clock: u64, replay: AntiReplay) -> u64 {
    let ahead = matches!(replay, AntiReplay::Time(window) if seconds_between(clock, last) > i64::from(window));
    if is_after(clock, last) || ahead { clock } else { last.wrapping_add(1) }
}

/// Returns the first 16 bytes of the HMAC.
fn sum(
    key: &hmac::Key,
    version: Version,
    vrid: Vrid,
    from: IpAddr,
    pdu: &[u8],
    trailer: &Trailer,
) -> [u8; TRAILER_LEN - HMAC_AT] {
    const ZERO: [u8; TRAILER_LEN - HMAC_AT] = [0; TRAILER_LEN - HMAC_AT];
    let mut named = [0; 20];
    named[1] = match version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    named[2] = vrid.get();
    match from {
        IpAddr::V4(from) => {
            named[0] = 4;
            named[4..8].copy_from_slice(&from.octets());
        }
        IpAddr::V6(from) => {
            named[0] = 6;
            named[4..].copy_from_slice(&from.octets());
        }
    }
    let (head, rest) = pdu.split_at(CHECKSUM.start.min(pdu.len()));
    let mut context = hmac::Context::with_key(key);
    for part in [&named, head, &[0; 2], rest.get(CHECKSUM.len()..).unwrap_or_default(), &trailer[..HMAC_AT], &ZERO] {
        context.update(part);
    }
    let mut first = ZERO;
    first.copy_from_slice(&context.sign().as_ref()[..ZERO.len()]);
    first
}

/// Converts a time of arrival to the common clock: `at` and `now` are of the other clock, `wall` is `now` on the common
/// one.
pub fn arrived(at: Time, now: Time, wall: UnixTime) -> UnixTime {
    UnixTime(wall.0.saturating_sub(now.saturating_sub(at)))
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
