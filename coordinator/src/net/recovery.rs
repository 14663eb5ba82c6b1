//! Lets a node in whose certificate ran out while it was suspended, for 30 days, and for renewal only.
//!
//! The handshake proves that the node still holds the old key. The role table gives such a peer nothing but `Renew`, and
//! the registry counts how often it may.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long after its end a certificate still opens the way to renewal.
const GRACE_S: u64 = 30 * 24 * 3600;

/// The usual verifier, asked again at the certificate's last second when that was not long ago.
#[derive(Debug)]
pub(super) struct RecoveringVerifier {
    inner: Arc<dyn ClientCertVerifier>,
}

impl RecoveringVerifier {
    pub(super) fn new(inner: Arc<dyn ClientCertVerifier>) -> Self {
        Self { inner }
    }
}

impl ClientCertVerifier for RecoveringVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let refused = match self.inner.verify_client_cert(leaf, chain, now) {
            Err(
                error @ Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. },
                ),
            ) => error,
            other => return other,
        };
        match end_of_validity(leaf) {
            Some(end) if now.as_secs() <= end.saturating_add(GRACE_S) => {
                let at = UnixTime::since_unix_epoch(Duration::from_secs(end.min(now.as_secs())));
                self.inner.verify_client_cert(leaf, chain, at)
            }
            _ => Err(refused),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Last second of a certificate's validity, in Unix time.
pub(super) fn end_of_validity(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(parsed.validity().not_after.timestamp()).ok()
}
