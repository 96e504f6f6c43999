//! Authentication of advertisements: the trailer of `draft-cassen-vrrp-auth-hmac`, which keepalived has as `auth_hmac`.
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
//! It stands behind the message. The HMAC covers 20 bytes that name address family, version, VRID and sender, then the
//! message with a checksum of zero and the trailer with an HMAC of zero. The time and the tie breaker are one number that
//! only grows: what a receiver has heard once it does not hear again. Over IPv4 the message's checksum leaves the trailer
//! out, over IPv6 it is that of the whole packet, as RFC 8200 section 8.1 has it.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    Advertisement, Envelope, PacketError, Time, Version, Vrid,
    packet::{TRAILER_LEN, Trailer},
};

/// Bytes of a key.
pub const KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// HMAC-SHA-256 cut to 128 bits.
const SCHEME: u8 = 1;
const HMAC_AT: usize = 12;
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// Senders whose last number is remembered: only who has a key gets a place.
const SENDERS: usize = 32;

/// A clock that differs by so much is told of, though it is within the window.
const SKEW: i64 = 5;

/// A moment: time since 1970, on a clock that nodes have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub Duration);

/// A secret of 32 to 64 bytes. It shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Nothing where there are too few bytes, or too many.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        KEY_BYTES.contains(&bytes.len()).then(|| Self(Arc::new(bytes)))
    }

    /// The bytes, for those who derive something from them.
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
    /// All that are accepted.
    pub keys: BTreeMap<u8, Secret>,
    /// The number of the one that signs.
    pub active: u8,
}

/// What is asked of others, and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Signs, and hears nobody who does not.
    #[default]
    Enforce,
    /// Signs, and hears those as well who send no trailer.
    Permissive,
    /// Does not sign yet.
    ReceiveOnly,
}

/// What keeps an advertisement from being sent a second time by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AntiReplay {
    /// Its time must be that of this node's clock, give or take so many seconds, and later than the last.
    Time(u16),
    /// It must only be later than the sender's last: for nodes without a common clock.
    Monotonic,
}

/// How advertisements are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// The keys.
    pub keyring: Keyring,
    /// What is asked of others.
    pub mode: AuthMode,
    /// What is held against repetition.
    pub replay: AntiReplay,
}

/// Why an advertisement is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No trailer, where one is asked for.
    #[error("it is not authenticated: has the sender no auth_keys?")]
    Missing,
    /// A trailer, where there is no key.
    #[error("it is authenticated, and this node has no auth_keys to check it with")]
    NoKeys,
    /// Another scheme, or a field that is not zero.
    #[error("the authentication trailer is malformed")]
    Malformed,
    /// A number that is not among the keys.
    #[error("it is authenticated with key {0}, which is none of this node's auth_keys")]
    UnknownKey(u8),
    /// Another key under the same number, or a forgery.
    #[error("its HMAC is wrong: another key {0} than this node's, or a forgery")]
    Hmac(u8),
    /// Of another time.
    #[error("its time is {0} s off this node's: the clocks differ (is NTP running?), or an old one is played back")]
    Stale(i64),
    /// Heard before.
    #[error("it was sent before: somebody plays it back")]
    Replayed,
}

/// An advertisement that may be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// It.
    pub advertisement: Advertisement,
    /// Seconds by which the sender's clock is behind this node's, where that is much.
    pub skew: Option<i64>,
}

/// One virtual router's authentication.
#[derive(Debug)]
pub struct Authenticator {
    settings: Option<AuthSettings>,
    keys: BTreeMap<u8, hmac::Key>,
    /// The number sent last.
    sent: u64,
    senders: BTreeMap<IpAddr, Sender>,
    /// Rank of the sender heard last.
    rank: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    number: u64,
    rank: u64,
}

impl Authenticator {
    /// Without settings nothing is signed, and nothing that is signed is heard.
    pub fn new(settings: Option<AuthSettings>) -> Self {
        let keys = keys(settings.as_ref());
        Self { settings, keys, sent: 0, senders: BTreeMap::new(), rank: 0 }
    }

    /// Takes over other settings, and remembers what was heard.
    pub fn reconfigure(&mut self, settings: Option<AuthSettings>) {
        if self.settings != settings {
            self.keys = keys(settings.as_ref());
            self.settings = settings;
        }
    }

    /// The trailer of an advertisement from this address; `None`: it has none.
    pub fn sign(&mut self, advertisement: &Advertisement, from: IpAddr, now: UnixTime) -> Option<Trailer> {
        let settings = self.settings.as_ref().filter(|settings| settings.mode != AuthMode::ReceiveOnly)?;
        let active = settings.keyring.active;
        self.sent = next_number(self.sent, number(now), settings.replay);
        let mut trailer = [0; TRAILER_LEN];
        trailer[..2].copy_from_slice(&[SCHEME, active]);
        trailer[4..HMAC_AT].copy_from_slice(&self.sent.to_be_bytes());
        // Without its key the HMAC stays zero, which nobody accepts.
        if let Some(key) = self.keys.get(&active) {
            // Whom it goes to only matters to the checksum, which is left out.
            let message = advertisement.emit(from, from);
            let sum = sum(key, advertisement.version, advertisement.vrid, from, &message, &trailer);
            trailer[HMAC_AT..].copy_from_slice(&sum);
        }
        Some(trailer)
    }

    /// Reads an advertisement that arrived at `now`, if it may be heard.
    ///
    /// # Errors
    /// It is damaged, or not authentic.
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
        // Before the HMAC, which costs more; it only refuses.
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

    /// Takes the number as the sender's last, if it is later than that.
    fn remember(&mut self, from: IpAddr, number: u64, now: UnixTime, replay: AntiReplay) -> Result<(), AuthError> {
        if let Some(sender) = self.senders.get(&from) {
            // A last number outside the window would only keep out a sender whose clock was set right.
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

/// Seconds, then a fraction of 16 bits, then 16 bits that break ties.
fn number(now: UnixTime) -> u64 {
    // The seconds wrap in 2106, and so do comparisons.
    let fraction = (u64::from(now.0.subsec_nanos()) << 16) / 1_000_000_000;
    u64::from(now.0.as_secs() as u32) << 32 | fraction << 16
}

/// True if `a` comes after `b` (RFC 1982).
const fn is_after(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// Seconds from `then` to `now`, of two numbers.
fn seconds_between(then: u64, now: u64) -> i64 {
    i64::from(((now >> 32) as u32).wrapping_sub((then >> 32) as u32).cast_signed())
}

/// The clock's, or one more than the last. Who went ahead of its clock by more than receivers stand, since that was set
/// back, follows it again.
fn next_number(last: u64, clock: u64, replay: AntiReplay) -> u64 {
    let ahead = matches!(replay, AntiReplay::Time(window) if seconds_between(clock, last) > i64::from(window));
    if is_after(clock, last) || ahead { clock } else { last.wrapping_add(1) }
}

/// The first 16 bytes of the HMAC.
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

/// The moment on the common clock at which something arrived that was stamped `at` on the other.
pub fn arrived(at: Time, now: Time, wall: UnixTime) -> UnixTime {
    UnixTime(wall.0.saturating_sub(now.saturating_sub(at)))
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
