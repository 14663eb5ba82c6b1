//! The root helper's part in leases: it undoes them when it begins a new life and when the coordinator is silent.
//!
//! Their deadline needs nobody here: that timer is PID 1's. What is started here runs as a unit of PID 1 as well, since the
//! helper itself sees neither the node's packet filters nor its other processes.

use super::units;
use crate::fault::{outstanding, record};
use crate::paths::Paths;
use model::ids::LeaseId;
use model::lease::{LeaseState, LeaseStatus, UndoCause};
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often deadlines and silence are looked at. Listing an empty folder takes microseconds.
const LOOK: Duration = Duration::from_millis(200);
/// A timer of PID 1 that is late by so much did not fire; then the helper has the fault undone.
const LATE_MS: u64 = 500;
/// How long an undo that was started may take before another is.
const AGAIN: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Leases {
    paths: Paths,
    seen: Mutex<Instant>,
}

impl Leases {
    /// A new life of the helper: whatever was outstanding ends now, as nobody can tell what was missed.
    pub(super) fn recover(paths: Paths) -> Self {
        if !outstanding(&paths).is_empty() {
            let cause = UndoCause::AgentStart.as_str();
            let unit = format!("drillyard-undo-start-{}.service", std::process::id());
            if let Err(error) = units::undo(&unit, &["undo-all", cause]) {
                // The guard undoes each by its deadline.
                eprintln!("faults of before cannot be undone now: {error}");
            }
        }
        Self {
            paths,
            seen: Mutex::new(Instant::now()),
        }
    }

    /// The coordinator is there.
    pub(super) fn seen(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Leases whose state the coordinator has not heard.
    pub(super) fn untold(&self) -> Vec<LeaseStatus> {
        record::readable(&self.paths)
            .into_iter()
            .filter(|r| record::told(&self.paths, r.lease()) != Some(r.status.state))
            .map(|r| r.status)
            .collect()
    }

    /// The state is in the front's journal.
    pub(super) fn told(&self, lease: LeaseId, state: LeaseState) -> io::Result<()> {
        record::set_told(&self.paths, lease, state)
    }

    /// Watches over outstanding leases for ever.
    pub(super) fn guard(&self) {
        let mut started: HashMap<LeaseId, Instant> = HashMap::new();
        loop {
            std::thread::sleep(LOOK);
            started.retain(|_, at| at.elapsed() < AGAIN);
            for lease in outstanding(&self.paths) {
                let id = lease.lease();
                let Some(cause) = self.is_due(&lease) else {
                    continue;
                };
                if started.contains_key(&id) {
                    continue;
                }
                started.insert(id, Instant::now());
                let unit = format!(
                    "drillyard-undo-{id}-{cause}-{}.service",
                    crate::clock::monotonic_ms()
                );
                if let Err(error) = units::undo(&unit, &["undo", &id.to_string(), cause.as_str()]) {
                    eprintln!("lease {id} cannot be undone now: {error}");
                }
            }
        }
    }

    fn is_due(&self, lease: &record::Record) -> Option<UndoCause> {
        let silence = self.seen.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if silence.as_millis() > u128::from(lease.terms.grace_ms()) {
            return Some(UndoCause::CoordinatorLost);
        }
        (crate::clock::monotonic_ms() > lease.due_ms.saturating_add(LATE_MS)).then_some(UndoCause::Expired)
    }
}
