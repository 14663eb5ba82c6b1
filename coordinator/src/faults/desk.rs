//! The port: inject, renew, release, list.

use super::host::HostSide;
use super::keeper::Held;
use super::meeting::Meeting;
use super::node::{self, Nodes};
use super::{FaultError, Lease, News, capability};
use crate::clock;
use crate::engine::EngineHandle;
use crate::offsets::ClockOffsets;
use crate::places::Places;
use crate::session_grpc::AgentHub;
use domain::event::Event;
use domain::leases::OpenLease;
use domain::record::Record;
use model::fault::{Fault, NodeFault};
use model::ids::{Attempt, Epoch, LeaseId, NodeName};
use model::lab::Lab;
use model::lease::{LeaseStatus, Span, Terms, UndoCause};
use model::moment::ClockOffset;
use model::step::NodeStep;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for an injection; a longer one is released.
const INJECT: Duration = Duration::from_secs(60);

/// Longest wait for one try to undo.
const UNDO: Duration = Duration::from_secs(60);

/// Tries of one release before it is left to the lease's own end and to the keeper.
const RELEASES: u64 = 3;

/// Injects faults and ends them. Clones share everything.
#[derive(Debug, Clone)]
pub struct Faults {
    pub(super) lab: Arc<Lab>,
    pub(super) engine: EngineHandle,
    pub(super) nodes: Nodes,
    pub(super) host: HostSide,
    pub(super) held: Held,
}

impl Faults {
    /// Over the daemon's parts. [`Faults::keep`] must run beside it.
    pub fn new(
        lab: Arc<Lab>,
        places: Arc<Places>,
        hub: AgentHub,
        engine: EngineHandle,
        epoch: Epoch,
        news: News,
        offsets: ClockOffsets,
    ) -> Self {
        let nodes = Nodes {
            lab: Arc::clone(&lab),
            hub,
            epoch,
            news,
            offsets,
        };
        Self {
            host: HostSide::new(Arc::clone(&lab), places),
            lab,
            engine,
            nodes,
            held: Held::default(),
        }
    }

    /// A fresh name for a lease.
    pub fn fresh() -> LeaseId {
        LeaseId(*uuid::Uuid::new_v4().as_bytes())
    }

    /// Injects under the lease, whose undo is armed first. On success the fault is there whole. After an error it is being
    /// undone, and its lease ends by itself at the latest.
    pub async fn inject(&self, lease: LeaseId, terms: Terms, fault: Fault) -> Result<Lease, FaultError> {
        self.inject_with(lease, terms, fault, None).await
    }

    /// Like [`inject`](Self::inject); parts on the host wait for one another when all their undos are armed.
    pub(super) async fn inject_with(
        &self,
        lease: LeaseId,
        terms: Terms,
        fault: Fault,
        together: Option<Arc<Meeting>>,
    ) -> Result<Lease, FaultError> {
        self.check(&fault)?;
        self.held.ready().await;
        self.held.take(lease);
        let deadline = clock::now().plus_millis(terms.ttl_ms());
        let taken = Record::LeaseTaken {
            lease,
            fault: fault.clone(),
            terms,
            deadline,
        };
        self.log(taken).await?;
        let injected = match &fault {
            Fault::Node { node, inject } => self.inject_on_node(node, lease, terms, inject).await,
            Fault::Host { inject } => {
                let from = clock::now();
                let status = self.host.inject(lease, terms, inject.clone(), together).await;
                status.map(|status| {
                    (
                        status,
                        Span {
                            from,
                            to: clock::now(),
                        },
                    )
                })
            }
        };
        match injected {
            Ok((status, called)) => {
                let at = status.injected.unwrap_or(called);
                let offset = self.offset_at(&fault);
                self.log(Record::LeaseInjected { lease, called, at }).await?;
                Ok(Lease {
                    lease,
                    fault,
                    timing: node::timing(called, status.injected, offset),
                    status: Some(status),
                    ended: None,
                })
            }
            Err(error) => {
                // Not held any more: the keeper undoes whatever is there of it.
                self.held.let_go(lease);
                let _ = self.release_as(lease, UndoCause::InjectFailed).await;
                Err(error)
            }
        }
    }

    /// Moves the end of the lease to one time to live from now, within its terms.
    pub async fn renew(&self, lease: LeaseId) -> Result<Lease, FaultError> {
        let open = self.open(lease).await?;
        let status = match &open.fault {
            Fault::Node { node, .. } => {
                let number = self.held.next_renewal(lease);
                let body = NodeStep::RenewFault { lease, number };
                self.nodes.run(node, body, Attempt(1), UNDO).await?;
                self.nodes.news.lease(lease)
            }
            Fault::Host { .. } => Some(self.host.renew(lease).await?),
        };
        let deadline = clock::now().plus_millis(open.terms.ttl_ms());
        self.log(Record::LeaseRenewed { lease, deadline }).await?;
        Ok(Lease {
            lease,
            fault: open.fault,
            status,
            timing: None,
            ended: None,
        })
    }

    /// Undoes the fault now. One that is over is fine.
    pub async fn release(&self, lease: LeaseId) -> Result<Lease, FaultError> {
        self.release_as(lease, UndoCause::Released).await
    }

    /// Leases that may have a fault in effect, whoever took them.
    pub async fn outstanding(&self) -> Result<Vec<(LeaseId, OpenLease)>, FaultError> {
        let list = |state: &domain::state::State| {
            state
                .leases
                .iter()
                .map(|(id, open)| (id, open.clone()))
                .collect::<Vec<_>>()
        };
        self.engine.ask(list).await.ok_or(FaultError::Ending)
    }

    /// What is known of the lease at its place now; None where the place does not tell.
    pub async fn status(&self, lease: LeaseId) -> Option<LeaseStatus> {
        match self.nodes.news.lease(lease) {
            Some(status) => Some(status),
            None => self.host.status(lease).await.ok().flatten(),
        }
    }

    pub(super) async fn release_as(&self, lease: LeaseId, cause: UndoCause) -> Result<Lease, FaultError> {
        self.held.let_go(lease);
        let open = match self.open(lease).await {
            Ok(open) => open,
            // Over already: by whom and when, its place has told.
            Err(error) => return self.over(lease).await.ok_or(error),
        };
        let from = clock::now();
        let status = match &open.fault {
            Fault::Node { node, .. } => {
                self.release_on_node(node, lease).await?;
                self.nodes.news.lease(lease)
            }
            Fault::Host { .. } => self.host.undo(lease, cause).await?,
        };
        let called = Span {
            from,
            to: clock::now(),
        };
        let at = status.as_ref().and_then(|s| s.undone);
        let told = status.as_ref().and_then(|s| s.cause).unwrap_or(cause);
        let undone = Record::LeaseUndone {
            lease,
            cause: told,
            at,
        };
        self.log(undone).await?;
        let ended = self.ended_before(lease, cause).await;
        let timing = node::timing(called, at, self.offset_at(&open.fault));
        if ended.is_none() {
            self.nodes.news.forget(lease);
        }
        Ok(Lease {
            lease,
            fault: open.fault,
            status,
            timing: timing.filter(|_| ended.is_none()),
            ended,
        })
    }

    /// How far the clock of the fault's place is off: the host's is ours.
    pub(super) fn offset_at(&self, fault: &Fault) -> Option<ClockOffset> {
        match fault {
            Fault::Node { node, .. } => self.nodes.offsets.of(node),
            Fault::Host { .. } => Some(ClockOffset {
                offset_micros: 0,
                bound_micros: 0,
            }),
        }
    }

    pub(super) async fn log(&self, record: Record) -> Result<(), FaultError> {
        let event = Event::Logged(record);
        match self.engine.submit_and_wait(event).await {
            Some(_) => Ok(()),
            None => Err(FaultError::Ending),
        }
    }

    async fn open(&self, lease: LeaseId) -> Result<OpenLease, FaultError> {
        let find = move |state: &domain::state::State| state.leases.get(lease).cloned();
        let found = self.engine.ask(find).await.ok_or(FaultError::Ending)?;
        found.ok_or(FaultError::NoLease(lease))
    }

    async fn inject_on_node(
        &self,
        node: &NodeName,
        lease: LeaseId,
        terms: Terms,
        fault: &NodeFault,
    ) -> Result<(LeaseStatus, Span), FaultError> {
        self.nodes.news.follow(node::intended(lease, terms.ttl_ms()));
        let body = NodeStep::InjectFault {
            lease,
            terms,
            fault: fault.clone(),
        };
        let limit = INJECT.min(Duration::from_millis(terms.ttl_ms().max(5_000)));
        let called = self.nodes.run(node, body, Attempt(1), limit).await?;
        let status = self.nodes.news.lease(lease).ok_or(FaultError::NoLease(lease))?;
        Ok((status, called))
    }

    async fn release_on_node(&self, node: &NodeName, lease: LeaseId) -> Result<Span, FaultError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let attempt = self.held.next_release(lease);
            let body = NodeStep::ReleaseFault { lease };
            match self.nodes.run(node, body, attempt, UNDO).await {
                Err(FaultError::Failed { .. }) if tried < RELEASES => {}
                other => return other,
            }
        }
    }

    /// Refuses what cannot be done before anything is on record.
    fn check(&self, fault: &Fault) -> Result<(), FaultError> {
        let kind = fault.kind();
        if let Some(reason) = capability::reason(kind, self.lab.provider) {
            let reason = reason.to_owned();
            return Err(FaultError::NotCovered { kind, reason });
        }
        match fault.node() {
            Some(node) if self.lab.node(node.as_str()).is_none() => Err(FaultError::NoNode(node.to_string())),
            _ => Ok(()),
        }
    }
}
