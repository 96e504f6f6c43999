//! Key and certificate files of TLS: each is a path, or a credential from the service manager.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
};

use gateway_ovsdb::TlsFiles;

/// Prefix of the name of a credential.
pub(super) const SCHEME: &str = "credential:";

/// Environment variable with the directory of credentials (systemd.exec(5)).
pub const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// A file with a key or certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFile {
    /// Path of the file.
    Path(PathBuf),
    /// Name of a credential, as in `LoadCredential=`. systemd stores it where only this service can read it.
    Credential(String),
}

/// Files that TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// Key of the client's certificate.
    pub private_key: KeyFile,
    /// The client's certificate.
    pub certificate: KeyFile,
    /// Certificates of the authorities that may have signed the server's.
    pub ca_cert: KeyFile,
}

/// Error: a credential is requested, but the process has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "credential:{0}: this process was given no credentials ($CREDENTIALS_DIRECTORY is not set); start it \
     as a systemd service with LoadCredential={0}:/path/to/the/file, or name the file itself"
)]
pub struct NoCredentials(String);

impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Credential(name) => write!(f, "{SCHEME}{name}"),
        }
    }
}

impl KeyFile {
    /// Returns the path of the file; `credentials` is the directory of credentials, if there is one.
    pub(super) fn find(&self, credentials: Option<&OsStr>) -> Result<PathBuf, NoCredentials> {
        match (self, credentials) {
            (Self::Path(path), _) => Ok(path.clone()),
            (Self::Credential(name), Some(directory)) => Ok(Path::new(directory).join(name)),
            (Self::Credential(name), None) => Err(NoCredentials(name.clone())),
        }
    }
}

impl KeyFiles {
    /// Returns the paths of the files; `credentials` is the directory of credentials, if there is one.
    ///
    /// # Errors
    /// A credential is requested and there are none.
    pub fn find(&self, credentials: Option<&OsStr>) -> Result<TlsFiles, NoCredentials> {
        Ok(TlsFiles {
            private_key: self.private_key.find(credentials)?,
            certificate: self.certificate.find(credentials)?,
            ca_cert: self.ca_cert.find(credentials)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::key_file;

    fn files() -> KeyFiles {
        KeyFiles {
            private_key: key_file("credential:key.pem").unwrap(),
            certificate: key_file("/etc/x/cert.pem").unwrap(),
            ca_cert: key_file("credential:ca").unwrap(),
        }
    }

    #[test]
    fn a_credential_is_where_the_service_manager_put_it() {
        let found = files().find(Some(OsStr::new("/run/credentials/x.service"))).unwrap();
        assert_eq!(found.private_key, Path::new("/run/credentials/x.service/key.pem"));
        assert_eq!(found.certificate, Path::new("/etc/x/cert.pem"));
        assert_eq!(found.ca_cert, Path::new("/run/credentials/x.service/ca"));
    }

    #[test]
    fn without_credentials_the_variable_and_the_remedy_are_named() {
        let error = files().find(None).unwrap_err().to_string();
        for word in ["credential:key.pem", "CREDENTIALS_DIRECTORY", "LoadCredential=key.pem:"] {
            assert!(error.contains(word), "{word} in {error}");
        }
    }

    #[test]
    fn a_name_can_t_lead_out_of_the_directory() {
        for name in ["", ".", "..", "../key", "a/b", "a:b", "a b", &"x".repeat(256)] {
            assert!(key_file(&format!("credential:{name}")).is_err(), "{name}");
        }
    }

    #[test]
    fn it_reads_as_it_is_written() {
        for text in ["credential:key.pem", "/etc/x/key.pem"] {
            assert_eq!(key_file(text).unwrap().to_string(), text);
        }
    }
}
