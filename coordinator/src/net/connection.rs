//! An accepted, authenticated connection: who is at the other end, and a way to cut it.

use super::limits::OpenPlace;
use crate::authority::Identity;
use model::moment::Moment;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Who is at the other end; in the extensions of every request of the connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Remote address.
    pub remote: SocketAddr,
    /// From the client certificate; `None` on the enrolment listener.
    pub identity: Option<Identity>,
    /// End of the client certificate's validity.
    pub expires: Option<Moment>,
    /// Cancel to cut the connection at once, whatever runs on it.
    pub cut: CancellationToken,
}

impl Peer {
    /// Whether the client certificate ran out; a connection may outlive it.
    pub fn expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|end| end < now)
    }

    /// For logs and audit: the identity, or the address of somebody without one.
    pub fn label(&self) -> String {
        self.identity
            .as_ref()
            .map_or_else(|| self.remote.to_string(), ToString::to_string)
    }
}

/// The peer of a request; every listener of ours sets it.
pub fn peer<T>(request: &tonic::Request<T>) -> Result<&Peer, tonic::Status> {
    request
        .extensions()
        .get::<Peer>()
        .ok_or_else(|| tonic::Status::unauthenticated("no peer is known"))
}

/// A TLS stream that counts against the listener's caps until it is dropped.
pub struct Connection {
    tls: TlsStream<TcpStream>,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: OpenPlace,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(tls: TlsStream<TcpStream>, peer: Peer, place: OpenPlace) -> Self {
        let cut = Box::pin(peer.cut.clone().cancelled_owned());
        Self {
            tls,
            peer,
            cut,
            _place: place,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // HTTP/2 always has a read pending, so watching here is enough to end the connection.
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tls).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}
