//! A tonic channel over our own TLS, so that version, pinned root and identity are ours and not a library's defaults.

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// Longest wait for a TCP connection, and again for the TLS handshake.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one answer that may be under way: some hundred events, for whoever follows a busy log from a busy host.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Where a server is and what name its certificate must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Address and port.
    pub address: SocketAddr,
    /// Subject alternative name to expect, for example `coordinator.yard.drillyard`.
    pub server_name: ServerName<'static>,
}

/// Connects and completes the handshake, each within [`DIAL_TIMEOUT`].
pub async fn dial(server: &ServerAddress, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let tcp = tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(server.address)).await??;
    tcp.set_nodelay(true)?;
    let handshake = TlsConnector::from(config).connect(server.server_name.clone(), tcp);
    tokio::time::timeout(DIAL_TIMEOUT, handshake).await?
}

/// One connection as a channel; it is made now, and made again by itself when it breaks.
pub async fn connect(
    server: ServerAddress,
    config: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    endpoint(&server)?
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let (server, config) = (server.clone(), Arc::clone(&config));
            async move { dial(&server, config).await.map(TokioIo::new) }
        }))
        .await
}

/// `http` because TLS is below the connector; with `https` tonic would want to add its own.
fn endpoint(server: &ServerAddress) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(format!("http://{}", server.address))?
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(2 * STREAM_WINDOW))
}
