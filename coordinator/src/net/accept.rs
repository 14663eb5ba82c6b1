//! The accept loop: bounded handshakes beside each other, refusals that cost nothing, and no spinning when the process
//! runs out of file descriptors.

use super::connection::{Connection, Peer};
use super::limits::{Admission, Limits, PendingPlace};
use super::recovery::end_of_validity;
use crate::authority::Identity;
use futures_util::FutureExt;
use model::ids::LabName;
use model::moment::Moment;
use rustls::ServerConfig;
use shell::tasks::Tasks;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections ready for HTTP/2, and the means to cut all of them.
#[derive(Debug)]
pub struct Incoming {
    pub(super) connections: ReceiverStream<io::Result<Connection>>,
    pub(super) cut_all: CancellationToken,
}

/// Asked at every connection, before anything is read; `false` closes it.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// What happened at one listener since it started.
#[derive(Debug, Default)]
pub struct AcceptMetrics {
    /// Handshakes completed.
    pub completed: AtomicU64,
    /// Closed at once: caps or gate.
    pub refused: AtomicU64,
    /// Handshakes that failed: no or wrong certificate, no TLS at all.
    pub failed: AtomicU64,
    /// Handshakes that took too long.
    pub timed_out: AtomicU64,
    /// Times the process had no file descriptor left.
    pub exhausted: AtomicU64,
}

/// Everything that one accept loop needs.
pub struct Acceptor {
    /// Where connections come from.
    pub listener: TcpListener,
    /// TLS of this listener.
    pub config: Arc<ServerConfig>,
    /// The lab whose identities count.
    pub lab: LabName,
    /// Caps.
    pub limits: Limits,
    /// Whether anybody is expected at all.
    pub gate: Gate,
    /// Counters, shared with whoever shows them.
    pub metrics: Arc<AcceptMetrics>,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Starts the loop; it ends when the tasks are cancelled.
    pub fn start(self, tasks: &Tasks) -> Incoming {
        let (sender, receiver) = mpsc::channel(16);
        let cut_all = CancellationToken::new();
        let door = Door {
            acceptor: self,
            ready: sender,
            cut_all: cut_all.clone(),
        };
        tasks.spawn_essential("accept", Arc::new(door).run(tasks.clone(), Spare::new()));
        Incoming {
            connections: ReceiverStream::new(receiver),
            cut_all,
        }
    }
}

/// A running accept loop.
struct Door {
    acceptor: Acceptor,
    ready: mpsc::Sender<io::Result<Connection>>,
    cut_all: CancellationToken,
}

impl Door {
    async fn run(self: Arc<Self>, tasks: Tasks, mut spare: Spare) {
        let Acceptor {
            listener,
            limits,
            gate,
            metrics,
            ..
        } = &self.acceptor;
        let admission = Admission::new(*limits);
        let token = tasks.token().clone();
        while let Some(accepted) = token.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((tcp, remote)) => {
                    let place = if gate() {
                        admission.begin(remote.ip())
                    } else {
                        None
                    };
                    let Some(place) = place else {
                        metrics.refused.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    let token = token.clone();
                    tasks.spawn("handshake", Arc::clone(&self).admit(tcp, remote, place, token));
                }
                Err(error) => {
                    if is_exhaustion(&error) {
                        metrics.exhausted.fetch_add(1, Ordering::Relaxed);
                        spare.turn_one_away(listener);
                    }
                    tracing::warn!(%error, "accept failed");
                    token.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }

    async fn admit(
        self: Arc<Self>,
        tcp: TcpStream,
        remote: SocketAddr,
        place: PendingPlace,
        token: CancellationToken,
    ) {
        let metrics = &self.acceptor.metrics;
        let attempt = tokio::time::timeout(self.acceptor.limits.handshake, self.shake(tcp, remote, place));
        match token.run_until_cancelled(attempt).await {
            Some(Ok(Ok(connection))) => {
                metrics.completed.fetch_add(1, Ordering::Relaxed);
                // Fails only when the server is gone; the connection then closes by being dropped.
                drop(self.ready.send(Ok(connection)).await);
            }
            Some(Ok(Err(error))) => {
                metrics.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%remote, %error, "handshake failed");
            }
            Some(Err(_)) => {
                metrics.timed_out.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%remote, "handshake timed out");
            }
            None => {}
        }
    }

    async fn shake(&self, tcp: TcpStream, remote: SocketAddr, place: PendingPlace) -> io::Result<Connection> {
        tcp.set_nodelay(true)?;
        let tls = TlsAcceptor::from(Arc::clone(&self.acceptor.config))
            .accept(tcp)
            .await?;
        let leaf = tls
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first());
        let identity = leaf
            .map(|leaf| Identity::from_certificate(&self.acceptor.lab, leaf))
            .transpose();
        let identity = identity.map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))?;
        let expires = leaf
            .and_then(end_of_validity)
            .and_then(|end| i64::try_from(end).ok());
        let node = match &identity {
            Some(Identity::Node(node)) => Some(&node.name),
            _ => None,
        };
        let refused = || io::Error::new(io::ErrorKind::QuotaExceeded, "the node has enough connections");
        let place = place.open(node).ok_or_else(refused)?;
        let peer = Peer {
            remote,
            identity,
            expires: expires.map(|end| Moment(end.saturating_mul(1_000_000))),
            cut: self.cut_all.child_token(),
        };
        Ok(Connection::new(tls, peer, place))
    }
}

/// One file descriptor kept back, to accept and close a peer when there is no other: it then sees a close and backs off
/// instead of hanging in the queue.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    fn turn_one_away(&mut self, listener: &TcpListener) {
        if self.0.take().is_some() {
            drop(listener.accept().now_or_never());
        }
        *self = Self::new();
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    use nix::errno::Errno;
    error.raw_os_error().map(Errno::from_raw).is_some_and(|errno| {
        matches!(
            errno,
            Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM
        )
    })
}
