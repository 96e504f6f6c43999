//! Options of the client.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use super::{Remote, Remotes};

/// Database to open, and its settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Servers, tried in turn. Several servers have to be members of one cluster.
    pub remotes: Remotes,
    /// Name of the database, as `hardware_vtep`.
    pub database: String,
    /// Tables to copy.
    pub tables: Vec<TableSelect>,
    /// True: of a cluster, use only the leader.
    pub leader_only: bool,
    /// Probe interval. After this time of silence the server is sent an echo; after the same time again the connection
    /// is closed. Zero: never.
    pub probe: Duration,
    /// Files for remotes with `ssl:`.
    pub tls: Option<TlsFiles>,
    /// Requirements on the certificate of a server, besides a signature by an authority of `tls`.
    pub server: ServerIdentity,
    /// Length limit of a received message, in bytes. The complete contents of the tables have to fit.
    pub longest_message: usize,
}

/// Accepted certificates of a server. Empty: any that an authority has signed, as with Open vSwitch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Names or addresses, one of which has to be among the subject alternative names.
    pub names: Vec<String>,
    /// Fingerprints, one of which has to be that of the certificate.
    pub fingerprints: Vec<Fingerprint>,
}

/// SHA-256 of a certificate in its binary form (DER), as `openssl x509 -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Error: a text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the SHA-256 of a certificate, 32 hexadecimal bytes with or without colons between them")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        if digits.len() != 64 {
            return Err(FingerprintError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(FingerprintError);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Table to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSelect {
    /// Name of the table.
    pub name: String,
    /// Names of the columns. Empty: only the UUIDs of the rows.
    pub columns: Vec<String>,
}

impl TableSelect {
    /// Selects these columns of the table `name`.
    pub fn new(name: &str, columns: &[&str]) -> Self {
        Self { name: name.to_owned(), columns: columns.iter().map(|&column| column.to_owned()).collect() }
    }
}

/// Files in PEM form, with the names Open vSwitch uses on its command lines. They are read at each attempt to connect,
/// so that renewed files are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Key of the client's certificate.
    pub private_key: PathBuf,
    /// The client's certificate, followed by the intermediate certificates, if any.
    pub certificate: PathBuf,
    /// Certificates of the authorities that may have signed the server's.
    pub ca_cert: PathBuf,
}

/// Error in the options: the database can't be opened, whatever the servers do.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A remote uses TLS, and there are no TLS files.
    #[error(
        "{0} needs a private key, a certificate and the certificate of an authority (private_key, certificate, ca_cert)"
    )]
    TlsFilesMissing(Remote),
    /// A table was selected twice.
    #[error("table {0} is selected twice")]
    TableTwice(String),
}

impl Options {
    /// Checks the options.
    pub fn check(&self) -> Result<(), OptionsError> {
        let tls = self.remotes.iter().find(|remote| matches!(remote, Remote::Ssl { .. }));
        if let (Some(remote), None) = (tls, &self.tls) {
            return Err(OptionsError::TlsFilesMissing(remote.clone()));
        }
        for (at, table) in self.tables.iter().enumerate() {
            if self.tables[..at].iter().any(|earlier| earlier.name == table.name) {
                return Err(OptionsError::TableTwice(table.name.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(remotes: &str, tables: Vec<TableSelect>) -> Options {
        let remotes = remotes.parse().unwrap();
        let probe = Duration::from_secs(5);
        let (server, longest_message) = (ServerIdentity::default(), 1 << 20);
        Options { remotes, database: "d".into(), tables, leader_only: false, probe, tls: None, server, longest_message }
    }

    #[test]
    fn tls_without_files_is_refused() {
        let error = options("tcp:127.0.0.1,ssl:127.0.0.1", vec![]).check().unwrap_err();
        assert!(error.to_string().starts_with("ssl:127.0.0.1:6640 needs a private key"), "{error}");
    }

    #[test]
    fn a_fingerprint_reads_as_it_is_written() {
        let text = [["AB"; 31].join(":"), "0C".to_owned()].join(":");
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(text.replace(':', "").to_lowercase().parse(), Ok(fingerprint));
        for wrong in ["", "AB", &"ab".repeat(33), &"xy".repeat(32)] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_is_selected_once() {
        let tables = vec![TableSelect::new("T", &["a"]), TableSelect::new("T", &[])];
        assert!(matches!(options("tcp:127.0.0.1", tables).check(), Err(OptionsError::TableTwice(_))));
    }
}
