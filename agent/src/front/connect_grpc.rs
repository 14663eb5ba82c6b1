//! Channels to the coordinator over our own TLS: one address, one name, one pinned authority.

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

const CONNECT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);
/// Windows bound what a peer can make this process hold.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Why no channel came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0:?} is no server name")]
    Name(String),
    #[error("cannot connect")]
    Transport(#[source] tonic::transport::Error),
}

/// Dials once, from `source` where one is given.
pub(super) async fn channel(
    source: Option<IpAddr>,
    address: SocketAddr,
    name: &str,
    tls: Arc<ClientConfig>,
) -> Result<Channel, ConnectError> {
    let server = ServerName::try_from(name.to_owned()).map_err(|_| ConnectError::Name(name.to_owned()))?;
    let endpoint = Endpoint::from_shared(format!("http://{name}"))
        .map_err(ConnectError::Transport)?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let connector = TlsConnector::from(tls);
    let dial = tower::service_fn(move |_: http::Uri| {
        let (connector, server) = (connector.clone(), server.clone());
        async move {
            let dialled = async {
                let tcp = connect(source, address).await?;
                tcp.set_nodelay(true)?;
                connector.connect(server, tcp).await
            };
            let timed = tokio::time::timeout(CONNECT, dialled).await;
            timed
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map(TokioIo::new)
        }
    });
    endpoint
        .connect_with_connector(dial)
        .await
        .map_err(ConnectError::Transport)
}

async fn connect(source: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(address).await;
    };
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(address).await
}
