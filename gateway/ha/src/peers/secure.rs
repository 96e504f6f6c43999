//! Encryption of connections: both ends prove that they have the key, and no third party can read or change the data.
//!
//! Each side begins with 48 bytes: eight that name the protocol, the virtual router and the number of the key with
//! which it is going to seal, six zeros, and 32 random bytes that are never used again. From both beginnings and the
//! key, HKDF-SHA-256 (RFC 5869) derives a separate key for each direction. Records follow: four bytes with the length,
//! then ChaCha20-Poly1305 (RFC 8439) with the number of the record as nonce. Data therefore can't be read, and data
//! that is changed, left out, replayed or reflected is detected at once. An end without the key can't create the first
//! record.
//!
//! The called side sends only its beginning until the caller's first record is valid, so a stranger costs 48 bytes.
//! There is no forward secrecy: a person who gets the key can read what was recorded before.
//!
//! Without keys the data is sent as it is.

use std::{collections::BTreeMap, sync::Arc};

use gateway_vrrp::{AuthMode, AuthSettings, Keyring, Secret, Vrid};
use ring::{aead, hkdf};
use zeroize::Zeroize as _;

use super::session::Side;

/// Names the protocol and its version. A node without keys takes it for a line, and reports that it is invalid.
const MAGIC: &[u8; 8] = b"vgsync1\n";
const BEGINNING: usize = 48;
/// Number of random bytes in a beginning.
pub(super) const RANDOM: usize = 32;
/// Length of the header of a record.
const LENGTH: usize = 4;
/// The most bytes in a record, before it is sealed.
const RECORD: usize = 16 << 10;
const TAG: usize = 16;

const CALLER: &[u8] = b"vtep-gateway sync 1: caller to called";
const CALLED: &[u8] = b"vtep-gateway sync 1: called to caller";

/// Keys of all virtual routers, and the requirements for other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    rings: BTreeMap<Vrid, Keyring>,
    /// True if this node seals when it calls.
    seals: bool,
    /// True if callers without a seal are accepted as well.
    open: bool,
}

impl Keys {
    /// Derives the keys from the authentication settings of advertisements, with the same rules.
    pub fn new<'a>(routers: impl Iterator<Item = (Vrid, &'a AuthSettings)>) -> Self {
        let mut keys = Self { rings: BTreeMap::new(), seals: true, open: false };
        for (vrid, settings) in routers {
            keys.rings.insert(vrid, settings.keyring.clone());
            keys.seals &= settings.mode != AuthMode::ReceiveOnly;
            keys.open |= settings.mode != AuthMode::Enforce;
        }
        keys
    }

    /// Returns true if other nodes have to prove that they have the key.
    pub(super) fn are_demanded(&self) -> bool {
        !self.rings.is_empty() && !self.open
    }

    /// Returns the key that seals data to a node of this virtual router, or that of the first virtual router with a
    /// key.
    fn active(&self, vrid: Option<Vrid>) -> Option<(Vrid, u8)> {
        let ring = vrid.and_then(|vrid| self.rings.get_key_value(&vrid)).or_else(|| self.rings.first_key_value());
        ring.map(|(vrid, ring)| (*vrid, ring.active))
    }

    fn get(&self, vrid: u8, id: u8) -> Option<&Secret> {
        self.rings.get(&Vrid::new(vrid)?)?.keys.get(&id)
    }
}

/// Parameters by which a connection is sealed.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) keys: Arc<Keys>,
    /// The virtual router whose active node is called. A called node takes that of the caller.
    pub(super) vrid: Option<Vrid>,
    /// Random bytes that were never used before and are never used again.
    pub(super) random: [u8; RANDOM],
}

/// Reason why received data is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecureError {
    #[error("it does not prove that it has the key: has it no auth_keys?")]
    Open,
    #[error("it seals what it says, and this node has no auth_keys")]
    NoKeys,
    #[error("it seals with key {1} of virtual router {0}, which is none of this node's auth_keys")]
    UnknownKey(u8, u8),
    #[error("it does not have the key, or what it said was changed on the way")]
    Forged,
    #[error("it sent a record of {0} bytes")]
    Length(usize),
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Secure {
    side: Side,
    keys: Arc<Keys>,
    random: [u8; RANDOM],
    state: State,
    /// Received data that was not opened yet.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// There are no keys, and the other side must not seal either.
    Keyless,
    /// The data is not sealed.
    Plain,
    /// The other side has not begun. A caller has.
    Beginning(Option<[u8; BEGINNING]>),
    Sealed(Box<Sealed>),
}

#[derive(Debug)]
struct Sealed {
    seal: aead::LessSafeKey,
    sealed: u64,
    open: aead::LessSafeKey,
    opened: u64,
}

impl Secure {
    /// Begins. The beginning of a caller is appended to `out`.
    pub(super) fn new(side: Side, terms: Terms, out: &mut Vec<u8>) -> Self {
        let Terms { keys, vrid, random } = terms;
        let mut this = Self { side, keys, random, state: State::Keyless, buffer: Vec::new() };
        if this.keys.rings.is_empty() {
            return this;
        }
        if side == Side::Follower && !this.keys.seals {
            this.state = State::Plain;
            return this;
        }
        let mine = (side == Side::Follower).then(|| this.keys.active(vrid)).flatten().map(|(vrid, id)| {
            let mine = this.beginning(vrid.get(), id);
            out.extend(mine);
            mine
        });
        this.state = State::Beginning(mine);
        this
    }

    /// Returns true once data may be sent: the connection is not sealed, or the other side has proved that it has the
    /// key.
    pub(super) fn may_send(&self) -> bool {
        match &self.state {
            State::Keyless | State::Plain => true,
            State::Beginning(_) => false,
            State::Sealed(sealed) => self.side == Side::Follower || sealed.opened > 0,
        }
    }

    fn beginning(&self, vrid: u8, id: u8) -> [u8; BEGINNING] {
        let mut bytes = [0; BEGINNING];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[MAGIC.len()..][..2].copy_from_slice(&[vrid, id]);
        bytes[BEGINNING - RANDOM..].copy_from_slice(&self.random);
        bytes
    }

    /// Handles received bytes, and appends the data in them to `plain`. A beginning of this side is appended to `out`.
    ///
    /// # Errors
    /// The other side can't be trusted.
    pub(super) fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), SecureError> {
        match self.state {
            State::Keyless => {
                // The bytes are only examined here.
                let rest = MAGIC.len() - self.buffer.len();
                self.buffer.extend(bytes.iter().take(rest));
                if self.buffer == MAGIC {
                    return Err(SecureError::NoKeys);
                }
                plain.extend_from_slice(bytes);
                return Ok(());
            }
            State::Plain => {
                plain.extend_from_slice(bytes);
                return Ok(());
            }
            State::Beginning(_) | State::Sealed(_) => self.buffer.extend_from_slice(bytes),
        }
        if let State::Beginning(mine) = self.state {
            let length = MAGIC.len().min(self.buffer.len());
            if self.buffer[..length] != MAGIC[..length] {
                // A caller may omit the seal if this node permits it. A node that was called with a seal may not.
                if self.side == Side::Follower || !self.keys.open {
                    return Err(SecureError::Open);
                }
                self.state = State::Plain;
                plain.append(&mut self.buffer);
                return Ok(());
            }
            let Some(theirs) = self.buffer.first_chunk::<BEGINNING>().copied() else { return Ok(()) };
            self.buffer.drain(..BEGINNING);
            self.begin(mine, theirs, out)?;
        }
        self.open(plain)
    }

    /// Derives the keys: both sides have begun, or this side does so now.
    fn begin(
        &mut self,
        mine: Option<[u8; BEGINNING]>,
        theirs: [u8; BEGINNING],
        out: &mut Vec<u8>,
    ) -> Result<(), SecureError> {
        let [vrid, id] = [theirs[MAGIC.len()], theirs[MAGIC.len() + 1]];
        let unknown = SecureError::UnknownKey(vrid, id);
        let their_key = self.keys.get(vrid, id).ok_or(unknown)?.clone();
        let mine = mine.map_or_else(
            || {
                // The virtual router for which it has called.
                let (vrid, id) = self.keys.active(Vrid::new(vrid)).ok_or(unknown)?;
                let mine = self.beginning(vrid.get(), id);
                out.extend(mine);
                Ok(mine)
            },
            Ok,
        )?;
        let my_key = self.keys.get(mine[MAGIC.len()], mine[MAGIC.len() + 1]).ok_or(unknown)?;
        let caller = self.side == Side::Follower;
        let both = if caller { [mine, theirs] } else { [theirs, mine] }.concat();
        let (to_me, to_them) = if caller { (CALLED, CALLER) } else { (CALLER, CALLED) };
        let seal = derive(my_key, &both, to_them).ok_or(SecureError::Forged)?;
        let open = derive(&their_key, &both, to_me).ok_or(SecureError::Forged)?;
        self.state = State::Sealed(Box::new(Sealed { seal, sealed: 0, open, opened: 0 }));
        Ok(())
    }

    /// Opens the complete records.
    fn open(&mut self, plain: &mut Vec<u8>) -> Result<(), SecureError> {
        let State::Sealed(sealed) = &mut self.state else { return Ok(()) };
        let mut at = 0;
        while let Some(length) = self.buffer[at..].first_chunk::<LENGTH>().copied() {
            let count = u32::from_be_bytes(length) as usize;
            if !(TAG + 1..=RECORD + TAG).contains(&count) {
                return Err(SecureError::Length(count));
            }
            let start = at + LENGTH;
            let Some(record) = self.buffer.get_mut(start..start + count) else { break };
            let nonce = nonce(sealed.opened);
            let text = sealed.open.open_in_place(nonce, aead::Aad::from(length), record);
            plain.extend_from_slice(text.map_err(|_| SecureError::Forged)?);
            sealed.opened += 1;
            at = start + count;
        }
        self.buffer.drain(..at);
        Ok(())
    }

    /// Appends data to `out`, sealed if required.
    pub(super) fn seal(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Keyless | State::Plain => out.extend_from_slice(text),
            // Before the keys are known nothing is sent.
            State::Beginning(_) => {}
            State::Sealed(sealed) => {
                for part in text.chunks(RECORD) {
                    let length = ((part.len() + TAG) as u32).to_be_bytes();
                    let mut record = part.to_vec();
                    let nonce = nonce(sealed.sealed);
                    // Sealing fails only for data that is longer than memory.
                    if sealed.seal.seal_in_place_append_tag(nonce, aead::Aad::from(length), &mut record).is_ok() {
                        out.extend(length);
                        out.append(&mut record);
                    }
                    sealed.sealed += 1;
                }
            }
        }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

/// Returns the nonce of a record. Each number is used once, because a key seals one direction of one connection.
fn nonce(number: u64) -> aead::Nonce {
    let mut bytes = [0; aead::NONCE_LEN];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    aead::Nonce::assume_unique_for_key(bytes)
}

fn derive(secret: &Secret, both: &[u8], label: &[u8]) -> Option<aead::LessSafeKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, both);
    let from = salt.extract(secret.bytes());
    let info = [label];
    let made = from.expand(&info, &aead::CHACHA20_POLY1305).ok()?;
    Some(aead::LessSafeKey::new(aead::UnboundKey::from(made)))
}

#[cfg(test)]
#[path = "secure_tests.rs"]
pub(super) mod tests;
