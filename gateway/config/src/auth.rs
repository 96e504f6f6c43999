//! Keys for authentication between nodes: `auth_*` of `[[vrrp]]`.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use gateway_vrrp::{AntiReplay, AuthMode, AuthSettings, KEY_BYTES, Keyring, Secret};
use toml::Spanned;
use zeroize::Zeroizing;

use super::{
    key_files::{KeyFile, NoCredentials},
    raw::RawVrrp,
    report::{Quoted, Report},
    types::{Config, VrrpConfig},
    values,
};

/// Prefix of a key written in hexadecimal digits.
const HEX: &str = "hex:";

/// Default for the allowed difference between clocks, in seconds. A recorded advertisement can be replayed for this
/// time to a node that has not received it. On the other hand, two nodes whose clocks differ by more discard each
/// other's advertisements, and may both be active. The second is worse, and happens without an attacker.
const WINDOW: u16 = 60;

/// Largest key file, in bytes: 64 bytes in hexadecimal digits, the prefix, and a line end.
const MAX_FILE: u64 = 4 + 2 * 64 + 2;

/// Authentication of the advertisements of a virtual router, and of the sessions of `[sync]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// Sources of the keys, by number.
    pub sources: BTreeMap<u8, KeySource>,
    /// Settings for the use of the keys. The key ring is empty until the keys are [loaded](Config::load_keys); until
    /// then nothing is authentic.
    pub settings: AuthSettings,
}

/// Source of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of its own.
    File(KeyFile),
    /// The configuration file.
    Here(Secret),
}

/// Reasons for which a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The process has no credentials.
    #[error("vrrp {vrid}: auth_keys: {source}")]
    NoCredentials {
        /// The virtual router.
        vrid: u8,
        /// The reason.
        source: NoCredentials,
    },
    /// The file cannot be read.
    #[error("vrrp {vrid}: cannot read key {id} of auth_keys from {path}: {source}")]
    Read {
        /// The virtual router.
        vrid: u8,
        /// The key's number.
        id: u8,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The file does not contain a key.
    #[error("vrrp {vrid}: key {id} of auth_keys in {path}: {what}")]
    NoKey {
        /// The virtual router.
        vrid: u8,
        /// The key's number.
        id: u8,
        /// The file.
        path: PathBuf,
        /// The expected contents. Never contains the actual ones.
        what: String,
    },
}

impl Config {
    /// Reads the keys that are in files; `credentials` is the directory of credentials, if there is one. Returns the
    /// files that users outside their group can read.
    ///
    /// # Errors
    /// A file cannot be read, or does not contain a key.
    pub fn load_keys(&mut self, credentials: Option<&OsStr>) -> Result<Vec<PathBuf>, KeyError> {
        let mut open = Vec::new();
        for vrrp in self.instances.iter_mut().filter_map(|instance| instance.vrrp.as_mut()) {
            let keys = vrrp.read_keys(credentials, &mut open)?;
            if let Some(auth) = &mut vrrp.auth {
                auth.settings.keyring.keys = keys;
            }
        }
        Ok(open)
    }

    /// Returns the virtual routers whose advertisements any host on the link could forge, by name, with the reason.
    pub fn unauthenticated(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let routers = self.instances.iter().filter_map(|one| Some((one.name.as_str(), one.vrrp.as_ref()?)));
        routers.filter_map(|(name, vrrp)| match vrrp.auth.as_ref().map(|auth| auth.settings.mode) {
            None => Some((name, "it has no auth_keys")),
            Some(AuthMode::Permissive) => Some((name, "auth_mode is permissive")),
            Some(AuthMode::ReceiveOnly) => Some((name, "auth_mode is receive-only")),
            Some(AuthMode::Enforce) => None,
        })
    }
}

impl VrrpConfig {
    /// Reads the keys of this virtual router, by number. Adds files that all users can read to `open`.
    pub fn read_keys(
        &self,
        credentials: Option<&OsStr>,
        open: &mut Vec<PathBuf>,
    ) -> Result<BTreeMap<u8, Secret>, KeyError> {
        let vrid = self.vrid.get();
        let sources = self.auth.iter().flat_map(|auth| &auth.sources);
        let keys = sources.map(|(&id, source)| {
            let file = match source {
                KeySource::Here(secret) => return Ok((id, secret.clone())),
                KeySource::File(file) => file,
            };
            let path = file.find(credentials).map_err(|source| KeyError::NoCredentials { vrid, source })?;
            let (text, others) =
                read(&path).map_err(|source| KeyError::Read { vrid, id, path: path.clone(), source })?;
            if others && matches!(file, KeyFile::Path(_)) {
                open.push(path.clone());
            }
            let secret = decode(&text).map_err(|what| KeyError::NoKey { vrid, id, path, what })?;
            Ok((id, secret))
        });
        keys.collect()
    }
}

/// Reads a file. The second value is true if users outside its group have any access to it.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
    let file = File::open(path)?;
    let others = file.metadata()?.mode() & 0o007 != 0;
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
    file.take(MAX_FILE + 1).read_to_end(&mut text)?;
    Ok((text, others))
}

/// Decodes a key: `hex:` with digits, or the raw bytes, as in a key file of keepalived. Line ends at its end are not
/// part of it.
fn decode(text: &[u8]) -> Result<Secret, String> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    let text = &text[..end];
    let bytes = match text.strip_prefix(HEX.as_bytes()) {
        Some(digits) => from_hex(digits).ok_or("expected pairs of hexadecimal digits after hex:")?,
        None => text.to_vec(),
    };
    let length = bytes.len();
    let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
    Secret::new(bytes).ok_or_else(|| {
        let found = if length > *most { "more".to_owned() } else { length.to_string() };
        format!("expected {least} to {most} bytes, found {found} (openssl rand -hex 32 makes some)")
    })
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |digit: u8| (digit as char).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    pairs.iter().map(byte).collect()
}

/// Checks the keys of one section; returns None if it has none.
pub(super) fn check(raw: &RawVrrp, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> Option<AuthConfig> {
    let window = window(raw, field, report);
    let mode = mode(raw, field, report);
    let replay = replay(raw, window, field, report);
    let Some(keys) = &raw.auth_keys else {
        let others = [
            ("auth_key", raw.auth_key.as_ref().map(Spanned::span)),
            ("auth_mode", raw.auth_mode.as_ref().map(Spanned::span)),
            ("auth_replay", raw.auth_replay.as_ref().map(Spanned::span)),
            ("auth_window", raw.auth_window.as_ref().map(Spanned::span)),
        ];
        for (key, span) in others {
            if let Some(span) = span {
                report.add(span, field(key), "expected it with auth_keys only, found none of these");
            }
        }
        return None;
    };
    let mut sources = BTreeMap::new();
    for (number, source) in &keys.get_ref().0 {
        let of = || field(&format!("auth_keys.{number}"));
        let id = number.parse().ok().filter(|id: &u8| *id > 0);
        let id = id.ok_or_else(|| format!("expected a number from 1 to 255 for a key, found {}", Quoted(number)));
        let id = report.check(source.span(), of(), id);
        let source = report.check(source.span(), of(), parse(source.get_ref()));
        sources.extend(id.zip(source));
    }
    let active = match (&raw.auth_key, &sources.keys().collect::<Vec<_>>()[..]) {
        (Some(id), _) => {
            let checked = values::number::<u8>(*id.get_ref(), 1..=255).and_then(|found| match sources.get(&found) {
                Some(_) => Ok(found),
                None => Err(format!("expected the number of one of the auth_keys, found {found}")),
            });
            report.check(id.span(), field("auth_key"), checked)?
        }
        (None, [only]) => **only,
        (None, []) => {
            report.add(keys.span(), field("auth_keys"), "expected a key, found none");
            return None;
        }
        (None, _) => {
            let what = "required where there are several auth_keys, but missing: which of them signs?";
            report.add(keys.span(), field("auth_key"), what);
            return None;
        }
    };
    let keyring = Keyring { keys: BTreeMap::new(), active };
    Some(AuthConfig { sources, settings: AuthSettings { keyring, mode, replay } })
}

/// Parses `/path/to/file`, `credential:NAME` or `hex:` with the key itself. An error does not contain the text, which
/// may be a key.
fn parse(text: &str) -> Result<KeySource, String> {
    if text.starts_with(HEX) {
        return decode(text.as_bytes()).map(KeySource::Here);
    }
    let refused = "expected /path/to/a/file, credential:NAME, or hex: with the key in hexadecimal digits";
    KeyFile::parse(text).map(KeySource::File).map_err(|_| refused.to_owned())
}

fn mode(raw: &RawVrrp, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> AuthMode {
    let Some(mode) = &raw.auth_mode else { return AuthMode::default() };
    let checked = match mode.get_ref().as_str() {
        "enforce" => Ok(AuthMode::Enforce),
        "permissive" => Ok(AuthMode::Permissive),
        "receive-only" => Ok(AuthMode::ReceiveOnly),
        other => Err(format!(r#"expected "enforce", "permissive" or "receive-only", found {}"#, Quoted(other))),
    };
    report.check(mode.span(), field("auth_mode"), checked).unwrap_or_default()
}

fn window(raw: &RawVrrp, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> u16 {
    let given = raw.auth_window.as_ref().and_then(|window| {
        report.check(window.span(), field("auth_window"), values::number(*window.get_ref(), 1..=300))
    });
    given.unwrap_or(WINDOW)
}

fn replay(raw: &RawVrrp, window: u16, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> AntiReplay {
    let Some(replay) = &raw.auth_replay else { return AntiReplay::Time(window) };
    let checked = match (replay.get_ref().as_str(), &raw.auth_window) {
        ("time", _) => Ok(AntiReplay::Time(window)),
        ("monotonic", None) => Ok(AntiReplay::Monotonic),
        ("monotonic", Some(_)) => Err(r#"expected "time", as there is an auth_window, found "monotonic""#.to_owned()),
        (other, _) => Err(format!(r#"expected "time" or "monotonic", found {}"#, Quoted(other))),
    };
    report.check(replay.span(), field("auth_replay"), checked).unwrap_or(AntiReplay::Time(window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_digits_or_the_bytes_themselves() {
        let digits = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        let key = decode(format!("hex:{digits}\r\n").as_bytes()).unwrap();
        assert_eq!(key, Secret::new((0..32).map(|n| (n % 16) * 0x11).collect()).unwrap());
        let words = b"a passphrase of more than 32 bytes";
        assert_eq!(decode(words).unwrap(), Secret::new(words.to_vec()).unwrap());
    }

    #[test]
    fn what_is_no_key_is_not_shown() {
        for (text, part) in [
            (b"hunter2".to_vec(), "found 7"),
            (vec![b'x'; 200], "found more"),
            (b"hex:0g".to_vec(), "hexadecimal digits"),
            (b"hex:012".to_vec(), "hexadecimal digits"),
            (b"hex:0102".to_vec(), "found 2"),
            (b"\n".to_vec(), "found 0"),
        ] {
            let error = decode(&text).unwrap_err();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn keepalived_s_longest_file_is_read() {
        let file = std::env::temp_dir().join(format!("vtep-gateway-key-{}", std::process::id()));
        std::fs::write(&file, format!("hex:{}\r\n", "0f".repeat(64))).unwrap();
        let (text, others) = read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(decode(&text).is_ok());
        assert!(others, "a file that was made without a thought is open");
    }
}
