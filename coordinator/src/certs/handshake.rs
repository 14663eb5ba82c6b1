//! The certificate that a server shows. Nothing is sent after the handshake, so nothing needs to be trusted: the point is
//! to see a certificate that may have run out or be self-signed.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a server may take.
const LIMIT: Duration = Duration::from_secs(3);

/// The leaf that the server at `address` shows.
pub(super) async fn shown(address: SocketAddr) -> Result<Vec<u8>, String> {
    match tokio::time::timeout(LIMIT, handshake(address)).await {
        Ok(shown) => shown,
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

async fn handshake(address: SocketAddr) -> Result<Vec<u8>, String> {
    let provider = shell::tls::provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OnlyLook(provider)))
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let name = ServerName::IpAddress(address.ip().into());
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(|e| e.to_string())?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    chain
        .first()
        .map(|leaf| leaf.to_vec())
        .ok_or_else(|| "it shows no certificate".into())
}

/// Takes any certificate, so that it can be looked at; the handshake's own signatures are checked all the same.
#[derive(Debug)]
struct OnlyLook(Arc<CryptoProvider>);

impl ServerCertVerifier for OnlyLook {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
