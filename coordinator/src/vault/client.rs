//! Vault's HTTP API: a handful of calls over TLS to one address, trusting one authority. A connection per call.

use super::keys::Keys;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest time for one call.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest time for the first opening. Its answer holds the keys and comes once: one that is given up makes that Vault
/// useless, and on a host that starts three clusters it took 5.1 s.
const OPEN_LIMIT: Duration = Duration::from_secs(180);

/// Longest answer.
const MAX_ANSWER: usize = 256 * 1024;

/// How often a Vault that was just unsealed is asked whether it serves, and for how long.
const ACTIVE_TRIES: u32 = 20;
const ACTIVE_EVERY: Duration = Duration::from_millis(500);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody answers at the address, as while it is not installed or its node is off.
    #[error("it cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// The authority's certificate cannot be used.
    #[error("the authority's certificate: {0}")]
    Authority(String),
    /// The exchange broke.
    #[error("the exchange broke: {0}")]
    Exchange(String),
    /// It answered with a refusal.
    #[error("{method} {path}: {status}: {errors}")]
    Refused {
        /// Method.
        method: Method,
        /// Path below `/v1/`.
        path: String,
        /// Status.
        status: StatusCode,
        /// Its own words.
        errors: String,
    },
}

/// Whether it was opened before, and whether it is sealed.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct SealStatus {
    pub(super) initialized: bool,
    pub(super) sealed: bool,
}

/// Calls to one Vault, as nobody or with a token.
#[derive(Clone)]
pub(super) struct Client {
    address: SocketAddr,
    tls: TlsConnector,
    token: Option<SecretString>,
}

impl Client {
    /// Nothing is sent yet.
    pub(super) fn new(address: SocketAddr, authority: &str) -> Result<Self, ClientError> {
        let unusable = |error: &dyn std::fmt::Display| ClientError::Authority(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
            let certificate = certificate.map_err(|e| unusable(&e))?;
            roots.add(certificate).map_err(|e| unusable(&e))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable(&e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            tls: TlsConnector::from(Arc::new(config)),
            token: None,
        })
    }

    pub(super) fn with_token(&self, token: &SecretString) -> Self {
        Self {
            token: Some(token.clone()),
            ..self.clone()
        }
    }

    pub(super) async fn seal_status(&self) -> Result<SealStatus, ClientError> {
        let answer = self.call(Method::GET, "sys/seal-status", None).await?;
        serde_json::from_value(answer).map_err(|e| ClientError::Exchange(e.to_string()))
    }

    /// Opens it for the first time, with one key: shares guard against single persons, and here is one keeper.
    pub(super) async fn initialize(&self) -> Result<Keys, ClientError> {
        #[derive(Deserialize)]
        struct Opened {
            keys_base64: [String; 1],
            root_token: String,
        }
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let answer = self
            .call_within(OPEN_LIMIT, Method::PUT, "sys/init", Some(shares))
            .await?;
        let opened: Opened =
            serde_json::from_value(answer).map_err(|_| ClientError::Exchange("unexpected keys".into()))?;
        let [unseal] = opened.keys_base64;
        Ok(Keys::new(unseal, opened.root_token))
    }

    pub(super) async fn unseal(&self, key: &SecretString) -> Result<(), ClientError> {
        let key = json!({"key": key.expose_secret()});
        self.call(Method::PUT, "sys/unseal", Some(key)).await.map(drop)
    }

    /// Whether it serves; asked for some seconds, because an unsealed one elects itself first.
    pub(super) async fn is_active(&self) -> Result<bool, ClientError> {
        for _ in 0..ACTIVE_TRIES {
            match self.call(Method::GET, "sys/health", None).await {
                Ok(_) => return Ok(true),
                Err(ClientError::Refused { .. }) => tokio::time::sleep(ACTIVE_EVERY).await,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The data at a path, None where there is nothing.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Value>, ClientError> {
        match self.call(Method::GET, path, None).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn write(&self, path: &str, body: Value) -> Result<(), ClientError> {
        self.ask(path, body).await.map(drop)
    }

    /// Writes to a path that has something to say to it.
    pub(super) async fn ask(&self, path: &str, body: Value) -> Result<Value, ClientError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Deletes what is at a path; nothing there is as good.
    pub(super) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        match self.call(Method::DELETE, path, None).await {
            Err(ClientError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => Ok(()),
            other => other.map(drop),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        self.call_within(LIMIT, method, path, body).await
    }

    async fn call_within(
        &self,
        limit: Duration,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, ClientError> {
        let exchange = self.exchange(&method, path, body);
        let (status, bytes) = tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| ClientError::Exchange(format!("no answer within {} s", limit.as_secs())))??;
        // An empty answer is an answer.
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        Err(ClientError::Refused {
            method,
            path: path.to_owned(),
            status,
            errors: answer["errors"].to_string(),
        })
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let broken = |error: &dyn std::fmt::Display| ClientError::Exchange(error.to_string());
        let tcp = TcpStream::connect(self.address)
            .await
            .map_err(ClientError::Unreachable)?;
        let name = ServerName::from(self.address.ip());
        let tls = self.tls.connect(name, tcp).await.map_err(|e| broken(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|e| broken(&e))?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1/{path}"))
            .header(header::HOST, self.address.to_string())
            .header("X-Vault-Request", "true");
        if let Some(token) = &self.token {
            request = request.header("X-Vault-Token", token.expose_secret());
        }
        let body = body.map(|value| value.to_string()).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| broken(&e))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let bytes = body.map_err(|e| broken(&e))?.to_bytes();
            drop(sender);
            Ok((status, bytes))
        };
        // The connection moves the bytes; it ends when the sender is gone.
        let (answer, _) = tokio::join!(answer, connection);
        answer
    }
}
