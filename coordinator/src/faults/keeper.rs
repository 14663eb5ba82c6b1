//! What goes on beside the calls: faults of an earlier coordinator end, guards are kept, the book follows the host.

use super::desk::Faults;
use model::fault::Fault;
use model::ids::{Attempt, LeaseId};
use model::lease::{LeaseState, UndoCause};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked. With nothing outstanding this lists one folder.
const LOOK: Duration = Duration::from_secs(1);

/// Leases that this process took, and the numbers of their steps.
#[derive(Debug, Clone)]
pub(super) struct Held {
    book: Arc<Mutex<HashMap<LeaseId, Numbers>>>,
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Numbers {
    held: bool,
    renewals: u32,
    releases: u64,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            book: Arc::default(),
            ready: watch::channel(false).0,
        }
    }
}

impl Held {
    /// Waits until the host's faults of before this process are undone: none of ours may be taken for one of them.
    pub(super) async fn ready(&self) {
        // The sender lives in self.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    pub(super) fn take(&self, lease: LeaseId) {
        self.book().entry(lease).or_default().held = true;
    }

    pub(super) fn let_go(&self, lease: LeaseId) {
        if let Some(numbers) = self.book().get_mut(&lease) {
            numbers.held = false;
        }
    }

    pub(super) fn next_renewal(&self, lease: LeaseId) -> u32 {
        let mut book = self.book();
        let numbers = book.entry(lease).or_default();
        numbers.renewals = numbers.renewals.saturating_add(1);
        numbers.renewals
    }

    /// A coordinator that starts anew counts from the start; the agent answers an attempt that it did with its outcome.
    pub(super) fn next_release(&self, lease: LeaseId) -> Attempt {
        let mut book = self.book();
        let numbers = book.entry(lease).or_default();
        numbers.releases = numbers.releases.saturating_add(1);
        Attempt(numbers.releases)
    }

    fn is_held(&self, lease: LeaseId) -> bool {
        self.book().get(&lease).is_some_and(|numbers| numbers.held)
    }

    fn book(&self) -> MutexGuard<'_, HashMap<LeaseId, Numbers>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    /// Runs until the daemon ends.
    pub async fn keep(self, cancel: CancellationToken) {
        if let Err(error) = self.host.undo_all(UndoCause::AgentStart).await {
            // Their guards go on; the book keeps them.
            tracing::error!(error = %crate::exit::chain(&error), "a fault of before on this host is not undone yet");
        }
        self.held.ready.send_replace(true);
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(every.tick()).await.is_some() {
            if let Err(error) = self.host.tend().await {
                tracing::error!(error = %crate::exit::chain(&error), "a lease on this host has no guard");
            }
            cancel.run_until_cancelled(self.follow()).await;
        }
    }

    /// Ends what is on record and not held; notes what ended by itself on the host.
    async fn follow(&self) {
        let Ok(open) = self.outstanding().await else {
            return;
        };
        for (lease, open) in open {
            match &open.fault {
                Fault::Host { .. } => self.follow_host(lease).await,
                Fault::Node { node, .. } if !self.held.is_held(lease) => {
                    if self.nodes.hub.session(node).is_some()
                        && let Err(error) = self.release_as(lease, UndoCause::Released).await
                    {
                        tracing::warn!(%lease, %node, error = %crate::exit::chain(&error), "not released yet");
                    }
                }
                Fault::Node { .. } => {}
            }
        }
    }

    async fn follow_host(&self, lease: LeaseId) {
        let held = self.held.is_held(lease);
        let (cause, at) = match self.host.status(lease).await {
            Ok(Some(status)) if status.state == LeaseState::Undone => {
                (status.cause.unwrap_or(UndoCause::Expired), status.undone)
            }
            // On record here and never armed there: whoever took it died in between.
            Ok(None) if !held => (UndoCause::AgentStart, None),
            Ok(Some(_)) if !held => {
                if let Err(error) = self.release_as(lease, UndoCause::AgentStart).await {
                    tracing::warn!(%lease, error = %crate::exit::chain(&error), "not undone yet");
                }
                return;
            }
            _ => return,
        };
        let undone = domain::record::Record::LeaseUndone { lease, cause, at };
        // Without an engine there is nothing left to keep.
        let _ = self.log(undone).await;
    }
}
