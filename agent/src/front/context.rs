//! What every task of the front shares: identity, journal, helper, the link to the coordinator, and how to give up.

use super::helper::Helper;
use super::secrets_grpc::Link;
use crate::clock;
use crate::journal::{Batch, Draft, Handle, JournalError};
use model::event::NodeEventKind;
use model::ids::{BootId, NodeName};
use model::moment::{ClockOffset, Moment};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Shared by all tasks; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) lab: Arc<str>,
    pub(super) node: NodeName,
    pub(super) boot: BootId,
    /// The address to dial from; None leaves it to the system.
    pub(super) source: Option<IpAddr>,
    pub(super) journal: Handle,
    pub(super) helper: Helper,
    /// The session's client while there is a session.
    pub(super) link: watch::Receiver<Option<Link>>,
    /// How far this node's clock is off, as last measured.
    pub(super) clock: watch::Sender<Option<ClockOffset>>,
    /// Validity of the certificate in use.
    pub(super) certificate: watch::Sender<Option<(Moment, Moment)>>,
    pub(super) failures: mpsc::UnboundedSender<Failure>,
}

/// What a task cannot go on after.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The disk is full; what is running goes on.
    #[error("the journal's disk is full")]
    Full,
    /// The journal cannot be relied on any more.
    #[error("the journal failed")]
    Journal(#[source] Arc<JournalError>),
}

impl From<Arc<JournalError>> for Failure {
    fn from(error: Arc<JournalError>) -> Self {
        if matches!(*error, JournalError::Full) {
            Failure::Full
        } else {
            Failure::Journal(error)
        }
    }
}

impl Context {
    /// `kind` with the time of now.
    pub(super) fn draft(&self, kind: NodeEventKind) -> Draft {
        Draft {
            time: clock::now(),
            monotonic_ms: clock::monotonic_ms(),
            boot: self.boot,
            kind,
        }
    }

    /// Writes; durable on return.
    pub(super) async fn append(&self, batch: Batch) -> Result<(), Failure> {
        Ok(self.journal.append(batch).await?)
    }

    /// Writes one event.
    pub(super) async fn tell(&self, kind: NodeEventKind) -> Result<(), Failure> {
        self.append(Batch {
            events: vec![self.draft(kind)],
            ..Batch::default()
        })
        .await
    }

    /// Ends the process with this failure, from wherever it was met.
    pub(super) fn fail(&self, failure: Failure) {
        let _ = self.failures.send(failure);
    }
}
