//! A certificate authority for one test.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::sync::Arc;

pub(crate) const SERVER_NAME: &str = "coordinator.test.drillyard";

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) leaf_seconds: std::sync::Mutex<i64>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("ca");
        Self {
            issuer,
            leaf_seconds: std::sync::Mutex::new(3600),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// A client certificate for the key in the request.
    pub(crate) fn sign(&self, csr: &[u8]) -> Vec<u8> {
        let csr =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr.to_vec()))
                .expect("csr");
        let mut params = CertificateParams::default();
        let now = std::time::SystemTime::now();
        let life = *self.leaf_seconds.lock().expect("lock");
        params.not_before = now.into();
        params.not_after =
            (now + std::time::Duration::from_secs(u64::try_from(life).expect("positive"))).into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
            .signed_by(&csr.public_key, &self.issuer)
            .expect("signed")
            .der()
            .to_vec()
    }

    /// TLS for a listener; with `clients` only those of this authority come in.
    pub(crate) fn server(&self, clients: bool) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("key");
        let params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).expect("params");
        let cert = params.signed_by(&key, &self.issuer).expect("signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("versions");
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(self.der())).expect("root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .expect("verifier");
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
        let mut config = builder
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("config");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}
