//! TLS with the trust model of Open vSwitch.
//!
//! Certificates made by `ovs-pki` carry no host name. So the server's certificate only has to be signed by the right
//! authority, and the server requires the same of the client's.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme, SupportedCipherSuite,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
};

use super::{Fingerprint, ServerIdentity, TlsFiles};

/// Error: the TLS files can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{what} can't be read from {path}: {error}", path = path.display())]
    File { what: &'static str, path: PathBuf, error: pem::Error },
    #[error("there is no {what} in {path}", path = path.display())]
    Empty { what: &'static str, path: PathBuf },
    #[error("the private key {key} and the certificate {certificate} can't be used: {error}", key = key.display(), certificate = certificate.display())]
    Pair { key: PathBuf, certificate: PathBuf, error: Error },
    #[error("the authority's certificate in {path} can't be used: {error}", path = path.display())]
    Authority { path: PathBuf, error: Error },
    #[error("TLS can't be set up: {0}")]
    Other(Error),
}

/// Error: a certificate is signed by the right authority, and is not one of the expected ones.
#[derive(Debug, thiserror::Error)]
#[error("its certificate has the SHA-256 fingerprint {0}, which is not in server_fingerprint")]
struct OtherCertificate(Fingerprint);

/// Reads the files. `server` selects the accepted certificates.
pub(crate) fn config(files: &TlsFiles, server: &ServerIdentity) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates("the authority's certificate", &files.ca_cert)? {
        roots.add(authority).map_err(|error| TlsError::Authority { path: files.ca_cert.clone(), error })?;
    }
    let certificate = certificates("the certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.private_key).map_err(|error| TlsError::File {
        what: "the private key",
        path: files.private_key.clone(),
        error,
    })?;
    let verifier = Arc::new(SignedByAuthority { roots, provider: provider.clone(), server: server.clone() });
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(certificate, key)
        .map_err(|error| {
            let (key, certificate) = (files.private_key.clone(), files.certificate.clone());
            TlsError::Pair { key, certificate, error }
        })
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |error| TlsError::File { what, path: path.to_owned(), error };
    let certificates = CertificateDer::pem_file_iter(path).map_err(file)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(file)?;
    if certificates.is_empty() { Err(TlsError::Empty { what, path: path.to_owned() }) } else { Ok(certificates) }
}

/// Verifier that accepts a server's certificate if a trusted authority has signed it. The name on it matters only if
/// one is required.
#[derive(Debug)]
struct SignedByAuthority {
    server: ServerIdentity,
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for SignedByAuthority {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprints = &self.server.fingerprints;
        if !fingerprints.is_empty() {
            let found = fingerprint(certificate);
            if !fingerprints.contains(&found) {
                let other = OtherError(Arc::new(OtherCertificate(found)));
                return Err(Error::InvalidCertificate(CertificateError::Other(other)));
            }
        }
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, between, now, algorithms)?;
        let mut wrong = None;
        for name in &self.server.names {
            let verified = match ServerName::try_from(name.as_str()) {
                Ok(name) => verify_server_name(&certificate, &name),
                Err(_) => Err(Error::InvalidCertificate(CertificateError::NotValidForName)),
            };
            match verified {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                Err(error) => wrong = Some(error),
            }
        }
        wrong.map_or_else(|| Ok(ServerCertVerified::assertion()), Err)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns the SHA-256 of a certificate.
fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    // The library has no public SHA-256; a cipher suite with this hash gives access to it.
    let SupportedCipherSuite::Tls13(suite) = ring::cipher_suite::TLS13_AES_128_GCM_SHA256 else {
        return Fingerprint([0; 32]);
    };
    let hash = suite.common.hash_provider.hash(certificate);
    Fingerprint(hash.as_ref().try_into().unwrap_or([0; 32]))
}

/// Returns true if an error is one of TLS, and not of the layer below.
pub(crate) fn is_about_tls(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some()
}

/// Explains an error of a connection, with its remedy. With TLS 1.3 a refused client certificate shows only at the
/// first read from the server.
pub(crate) fn explain(error: &io::Error) -> String {
    use AlertDescription as Alert;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "its certificate is not signed by an authority in ca_cert: is that the certificate of the authority of the \
             server (switchca or controllerca of ovs-pki)?"
                .to_owned()
        }
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) => other.to_string(),
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate has none of the names in server_name".to_owned(),
        Some(Error::InvalidCertificate(problem)) => format!("its certificate can't be accepted: {problem}"),
        Some(Error::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate
            | Alert::DecryptError
            | Alert::AccessDenied),
        )) => format!(
            "it refused our certificate ({alert:?}): is it signed by the authority whose certificate the server was given?"
        ),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS: is tcp: meant in place of ssl:?".to_owned(),
        // A TLS server that was killed sends no close_notify.
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(error: Error) -> String {
        explain(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn a_refused_certificate_is_distinguished_from_a_certificate_that_is_refused() {
        let ours = explained(Error::AlertReceived(AlertDescription::UnknownCA));
        let theirs = explained(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(ours.starts_with("it refused our certificate"), "{ours}");
        assert!(theirs.starts_with("its certificate is not signed"), "{theirs}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let path = PathBuf::from("/nonexistent/key.pem");
        let files = TlsFiles { private_key: path.clone(), certificate: path.clone(), ca_cert: path };
        let error = config(&files, &ServerIdentity::default()).unwrap_err().to_string();
        assert!(error.contains("authority") && error.contains("/nonexistent/key.pem"), "{error}");
    }
}
