//! Keys for authentication between nodes: read from their files, and decoded.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use gateway_vrrp::{KEY_BYTES, Secret};
use zeroize::Zeroizing;

use super::{
    auth::KeySource,
    invalid::Invalid,
    key_files::{KeyFile, NoCredentials},
    types::{Config, VrrpConfig},
};

/// Prefix of a key written in hexadecimal digits.
pub(super) const HEX: &str = "hex:";

/// Largest key file, in bytes: 64 bytes in hexadecimal digits, the prefix, and a line end.
const MAX_FILE: u64 = 4 + 2 * 64 + 2;

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
    #[error("vrrp {vrid}: key {id} of auth_keys in {path}: {reason}")]
    NoKey {
        /// The virtual router.
        vrid: u8,
        /// The key's number.
        id: u8,
        /// The file.
        path: PathBuf,
        /// The expected contents. Never contains the actual ones.
        reason: Invalid,
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
            let secret = decode(&text).map_err(|reason| KeyError::NoKey { vrid, id, path, reason })?;
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
pub(super) fn decode(text: &[u8]) -> Result<Secret, Invalid> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    let text = &text[..end];
    let bytes = match text.strip_prefix(HEX.as_bytes()) {
        Some(digits) => from_hex(digits).ok_or_else(|| Invalid::hidden("pairs of hexadecimal digits after hex:"))?,
        None => text.to_vec(),
    };
    let length = bytes.len();
    let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
    Secret::new(bytes).ok_or_else(|| {
        let found = if length > *most { "more".to_owned() } else { length.to_string() };
        let found = format_args!("{found} (openssl rand -hex 32 makes some)");
        Invalid::new(format_args!("{least} to {most} bytes"), found)
    })
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |digit: u8| (digit as char).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    pairs.iter().map(byte).collect()
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
    fn an_invalid_key_is_not_shown() {
        for (text, part) in [
            (b"hunter2".to_vec(), "found 7"),
            (vec![b'x'; 200], "found more"),
            (b"hex:0g".to_vec(), "hexadecimal digits"),
            (b"hex:012".to_vec(), "hexadecimal digits"),
            (b"hex:0102".to_vec(), "found 2"),
            (b"\n".to_vec(), "found 0"),
        ] {
            let error = decode(&text).unwrap_err().to_string();
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
