//! From an address and a set of routes to a running listener, with everything that its trust domain asks for.

use super::Clock;
use super::accept::{AcceptMetrics, Acceptor, Gate};
use super::authorise::Authorise;
use super::certificates::{Listener, ListenerCertificate};
use super::limits::Limits;
use super::listener::bind;
use super::serve::{HttpLimits, serve};
use crate::authority::{AuditSink, Authority};
use shell::tasks::Tasks;
use shell::tls::TlsError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tonic::service::Routes;

/// Why a listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is taken, or the address is not ours.
    #[error("cannot listen on {address}; is the port taken? (network.coordinatorPort in the lab document)")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// TLS.
    #[error("TLS of the listener on {address} cannot be set up")]
    Tls {
        /// What was asked for.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: TlsError,
    },
}

/// A running listener.
#[derive(Debug, Clone)]
pub struct Listening {
    /// The bound address, with the real port when 0 was asked for.
    pub address: SocketAddr,
    /// Its counters.
    pub metrics: Arc<AcceptMetrics>,
}

/// What all listeners share.
#[derive(Clone)]
pub struct Network {
    /// Who may speak.
    pub authority: Arc<Authority>,
    /// Where refusals are recorded.
    pub audit: AuditSink,
    /// Wall time.
    pub clock: Clock,
    /// The certificate they show.
    pub certificate: Arc<ListenerCertificate>,
    /// Where their tasks run.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Starts one listener; it runs until the tasks are stopped.
    pub fn listen(&self, kind: Listener, at: SocketAddr, routes: Routes) -> Result<Listening, ListenError> {
        let limits = match kind {
            Listener::Operator => Limits::OPERATORS,
            Listener::Enrol | Listener::Agent => Limits::NODES,
        };
        self.listen_with(kind, at, routes, limits)
    }

    /// As [`Self::listen`], with other caps.
    pub fn listen_with(
        &self,
        kind: Listener,
        at: SocketAddr,
        routes: Routes,
        limits: Limits,
    ) -> Result<Listening, ListenError> {
        let bind_failed = |source| ListenError::Bind { address: at, source };
        let listener = bind(at).map_err(bind_failed)?;
        let address = listener.local_addr().map_err(bind_failed)?;
        let config = self
            .certificate
            .config(kind)
            .map_err(|source| ListenError::Tls { address: at, source })?;
        let metrics = Arc::<AcceptMetrics>::default();
        let acceptor = Acceptor {
            listener,
            config,
            lab: self.authority.lab().clone(),
            limits,
            gate: self.gate(kind),
            metrics: Arc::clone(&metrics),
        };
        let incoming = acceptor.start(&self.tasks);
        let authorise = Authorise::new(
            Arc::clone(&self.authority),
            self.audit.clone(),
            Arc::clone(&self.clock),
        );
        let token = self.tasks.token().clone();
        self.tasks.spawn_essential("serve", async move {
            if let Err(error) = serve(routes, incoming, http_limits(kind), authorise, token).await {
                tracing::error!(%error, ?kind, "a listener ended");
            }
        });
        Ok(Listening { address, metrics })
    }

    /// Strangers are let in only while a token is waiting for one of them.
    fn gate(&self, kind: Listener) -> Gate {
        let (authority, clock) = (Arc::clone(&self.authority), Arc::clone(&self.clock));
        match kind {
            Listener::Enrol => Arc::new(move || authority.enrolment_open(clock())),
            Listener::Agent | Listener::Operator => Arc::new(|| true),
        }
    }
}

fn http_limits(kind: Listener) -> HttpLimits {
    match kind {
        Listener::Enrol => HttpLimits::ENROL,
        Listener::Agent => HttpLimits::AGENT,
        Listener::Operator => HttpLimits::OPERATOR,
    }
}
