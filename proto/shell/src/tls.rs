//! TLS as all of Drillyard speaks it: version 1.3, the ring provider, one pinned root, ALPN `h2`.

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// ALPN name of HTTP/2.
pub const ALPN_H2: &[u8] = b"h2";
/// ALPN name of HTTP/1.1, for plain downloads only.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// TLS could not be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key cannot be used.
    #[error("certificate or key is unusable")]
    Material(#[source] rustls::Error),
    /// The root cannot be used as a trust anchor.
    #[error("trust anchor is unusable")]
    Anchor(#[source] rustls::client::VerifierBuilderError),
    /// PEM text does not hold what it should.
    #[error("PEM is malformed")]
    Pem(#[source] rustls_pki_types::pem::Error),
}

/// What a client proves itself with: leaf first, then its issuers.
#[derive(Debug)]
pub struct ClientIdentity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Reads both from PEM.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        Ok(Self {
            chain: certificates(chain_pem)?,
            key: PrivateKeyDer::from_pem_slice(key_pem).map_err(TlsError::Pem)?,
        })
    }
}

/// The only crypto provider; libraries pass it explicitly and never rely on a process-wide default.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a PEM text, in order.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(TlsError::Pem)
}

/// A store with exactly these trust anchors.
pub fn anchors(roots: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(TlsError::Material)?;
    }
    Ok(Arc::new(store))
}

/// A client that trusts `roots` only. Without resumption: every session proves itself anew, so revocation bites at once.
pub fn client_config(
    roots: &[CertificateDer<'static>],
    identity: Option<ClientIdentity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(anchors(roots)?, Arc::clone(&provider))
        .build()
        .map_err(TlsError::Anchor)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Material)?
        .with_webpki_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(TlsError::Material)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Start of a server's configuration with our provider and TLS 1.3 only.
pub fn server_builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Material)
}
