//! The local operator: its certificate beside the lab's keys, and the way from there to the daemon.

use crate::authority::{Authority, OperatorName, SignError};
use model::moment::Moment;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use shell::channel::{self, ServerAddress};
use shell::private_file::{self, PrivateFileError};
use shell::tls::{self, ClientIdentity, TlsError};
use std::net::SocketAddr;
use std::path::Path;
use tonic::transport::Channel;

/// Chain and key in one file, so that no reader sees a certificate with another's key.
const IDENTITY: &str = "identity.pem";
const ROOT: &str = "ca.pem";
const ENDPOINT: &str = "endpoint.json";

/// Where the operator listener is; written by the daemon, read by its clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorEndpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Name in its certificate.
    pub server_name: String,
}

/// Why the operator's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// Signing.
    #[error("the operator's certificate could not be made")]
    Sign(#[from] SignError),
    /// Writing.
    #[error("the operator's files could not be written")]
    File(#[from] PrivateFileError),
}

/// Why the daemon cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No identity: the daemon never ran with this home, or it is somebody else's.
    #[error("the operator's files cannot be used")]
    File(#[from] PrivateFileError),
    /// `endpoint.json` is not what it should be.
    #[error("the daemon's address cannot be read")]
    Endpoint(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Certificates.
    #[error("the operator's identity cannot be used")]
    Tls(#[from] TlsError),
    /// Nobody answers, or the wrong one.
    #[error("the daemon at {address} does not answer")]
    Connect {
        /// Where it should be.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Writes certificate, root and address for the local operator to `home/pki/operator`; call it at each start and with
/// each renewal of the listeners.
pub fn grant_local_operator(
    authority: &Authority,
    name: &OperatorName,
    address: SocketAddr,
    now: Moment,
) -> Result<(), GrantError> {
    let dir = authority.operator_dir();
    private_file::ensure_dir(&dir)?;
    let identity = authority.operator_identity_pem(name, now)?;
    private_file::write(&dir.join(IDENTITY), identity.as_bytes())?;
    private_file::write(&dir.join(ROOT), authority.root_pem().as_bytes())?;
    let endpoint = OperatorEndpoint {
        address,
        server_name: authority.server_name(),
    };
    let text = serde_json::to_vec(&endpoint).unwrap_or_default();
    Ok(private_file::write(&dir.join(ENDPOINT), &text)?)
}

/// Connects to the daemon of the lab under `home` as its local operator.
pub async fn connect_operator(home: &Path) -> Result<Channel, ConnectError> {
    let dir = home.join("pki/operator");
    let identity = private_file::read(&dir.join(IDENTITY))?;
    let root = tls::certificates(&private_file::read(&dir.join(ROOT))?)?;
    let endpoint: OperatorEndpoint = serde_json::from_slice(&private_file::read(&dir.join(ENDPOINT))?)
        .map_err(|error| ConnectError::Endpoint(error.into()))?;
    let server_name =
        ServerName::try_from(endpoint.server_name).map_err(|error| ConnectError::Endpoint(error.into()))?;
    let config = tls::client_config(&root, Some(ClientIdentity::from_pem(&identity, &identity)?))?;
    let address = endpoint.address;
    channel::connect(ServerAddress { address, server_name }, config)
        .await
        .map_err(|source| ConnectError::Connect { address, source })
}

/// The name under which this process's user is an operator.
pub fn local_operator() -> OperatorName {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .ok()
        .flatten();
    OperatorName::from_login(&user.map(|user| user.name).unwrap_or_default())
}
