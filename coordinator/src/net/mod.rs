//! Listeners of the coordinator: three trust domains, each with its own certificates asked, its own limits, one table of
//! who may call what.
//!
//! The accept loop is our own, because a library's default neither bounds handshakes nor survives running out of file
//! descriptors, and cannot exchange certificates while it runs.

mod accept;
mod authorise;
mod certificates;
mod connection;
mod descriptors;
#[cfg(test)]
pub(crate) mod harness;
mod limits;
mod listener;
mod network;
mod recovery;
mod serve;
mod table;

pub use accept::{AcceptMetrics, Acceptor, Gate, Incoming};
pub use authorise::Authorise;
pub use certificates::{CertificateError, Listener, ListenerCertificate};
pub use connection::{Connection, Peer, peer};
pub use descriptors::raise_limit;
pub use limits::Limits;
pub use listener::bind;
pub use network::{ListenError, Listening, Network};
pub use serve::{HttpLimits, serve};
pub use table::{Role, TABLE, role_for};

use model::moment::Moment;
use std::sync::Arc;

/// Wall time, handed in so that tests can choose it.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

#[cfg(test)]
mod tests;
