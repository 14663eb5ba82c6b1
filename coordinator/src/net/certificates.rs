//! TLS of the three listeners, with a certificate that is exchanged while they run.

use super::{Clock, recovery::RecoveringVerifier};
use crate::authority::{Authority, LEAF_LIFE_MS, SignError};
use arc_swap::ArcSwap;
use model::moment::Moment;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use shell::tls::{self, TlsError};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest wait between two looks at the clock: a suspended host must not sleep past the end of its certificate.
const LOOK: Duration = Duration::from_secs(600);

/// Why a listener's certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Signing.
    #[error("the listener's certificate could not be signed")]
    Sign(#[from] SignError),
    /// Loading.
    #[error("the listener's certificate could not be loaded")]
    Load(#[source] rustls::Error),
}

/// Which trust domain a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Strangers with a token; no client certificate is asked.
    Enrol,
    /// Nodes only.
    Agent,
    /// Operators only.
    Operator,
}

/// The certificate that all three listeners show.
#[derive(Debug)]
pub struct ListenerCertificate {
    authority: Arc<Authority>,
    addresses: Vec<IpAddr>,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    not_after: Moment,
}

impl ListenerCertificate {
    /// Makes the first one, for the server name and `addresses`.
    pub fn new(
        authority: Arc<Authority>,
        addresses: Vec<IpAddr>,
        now: Moment,
    ) -> Result<Arc<Self>, CertificateError> {
        let current = ArcSwap::from_pointee(Current::make(&authority, &addresses, now)?);
        Ok(Arc::new(Self {
            authority,
            addresses,
            current,
        }))
    }

    /// Exchanges the certificate; connections that are open stay open.
    pub fn renew(&self, now: Moment) -> Result<(), CertificateError> {
        self.current
            .store(Arc::new(Current::make(&self.authority, &self.addresses, now)?));
        Ok(())
    }

    /// End of the present certificate's validity.
    pub fn not_after(&self) -> Moment {
        self.current.load().not_after
    }

    /// Exchanges the certificate at half of its life until cancelled. `also` runs with each exchange, for what has the
    /// same life, such as the local operator's identity.
    pub async fn renew_forever(
        self: Arc<Self>,
        clock: Clock,
        cancel: CancellationToken,
        mut also: impl FnMut(Moment) + Send,
    ) {
        while cancel
            .run_until_cancelled(tokio::time::sleep(LOOK))
            .await
            .is_some()
        {
            let now = clock();
            if now.plus_millis(LEAF_LIFE_MS / 2) >= self.not_after() {
                match self.renew(now) {
                    Ok(()) => also(now),
                    Err(error) => tracing::error!(%error, "the listeners' certificate was not renewed"),
                }
            }
        }
    }

    /// TLS configuration of one listener: version 1.3 only, no resumption, so revocation cannot be slept through.
    pub fn config(self: &Arc<Self>, listener: Listener) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = tls::server_builder()?;
        let builder = match listener {
            Listener::Enrol => builder.with_no_client_auth(),
            Listener::Agent => {
                let inner = client_verifier(self.authority.node_issuer())?;
                builder.with_client_cert_verifier(Arc::new(RecoveringVerifier::new(inner)))
            }
            Listener::Operator => {
                builder.with_client_cert_verifier(client_verifier(self.authority.operator_issuer())?)
            }
        };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = builder.with_cert_resolver(resolver);
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = vec![tls::ALPN_H2.to_vec()];
        if listener == Listener::Enrol {
            // The agent's binary is fetched by curl, which may lack HTTP/2.
            config.alpn_protocols.push(tls::ALPN_HTTP1.to_vec());
        }
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for ListenerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

impl Current {
    fn make(authority: &Authority, addresses: &[IpAddr], now: Moment) -> Result<Self, CertificateError> {
        let identity = authority.server_identity(addresses, now)?;
        let key = CertifiedKey::from_der(identity.chain, identity.key, &tls::provider())
            .map_err(CertificateError::Load)?;
        Ok(Self {
            key: Arc::new(key),
            not_after: identity.not_after,
        })
    }
}

fn client_verifier(
    issuer: &CertificateDer<'static>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let anchors = tls::anchors(std::slice::from_ref(issuer))?;
    WebPkiClientVerifier::builder_with_provider(anchors, tls::provider())
        .build()
        .map_err(TlsError::Anchor)
}
