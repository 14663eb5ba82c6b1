//! The account of a run, read from the durable log and the plan that is stored beside it.

use crate::exit::chain;
use crate::journal::{JournalError, JournalReader};
use crate::places::Places;
use crate::plan_store;
use domain::critical_path::{Account, Ledger};
use model::ids::{Digest, Revision, RunId};

/// Entries read at once.
const BATCH: usize = 1024;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The log has no such run, or none at all; what is older than its oldest entry, retention took.
    #[error("the log has no such run; its oldest entry is revision {0}")]
    NoRun(Revision),
    /// The run's plan is gone.
    #[error("the plan {0} of this run is not there")]
    NoPlan(Digest),
    /// The log.
    #[error("the log cannot be read")]
    Journal(#[from] JournalError),
}

/// Accounts for `run`, or for the latest one.
pub fn make(log: &JournalReader, places: &Places, run: Option<RunId>) -> Result<Account, ReportError> {
    let mut ledger = Ledger::of(run);
    let mut after = Revision(log.oldest().0.saturating_sub(1));
    loop {
        let entries = log.read(after, BATCH)?;
        let Some((last, _)) = entries.last() else { break };
        after = *last;
        for (_, entry) in entries {
            // What this release does not know is no step of a run.
            if let Ok(record) = entry.record() {
                ledger.read(entry.time, &record);
            }
        }
    }
    let digest = ledger.plan().ok_or(ReportError::NoRun(log.oldest()))?;
    let plan = plan_store::load(places, digest).ok_or(ReportError::NoPlan(digest))?;
    ledger.account(&plan).ok_or(ReportError::NoRun(log.oldest()))
}

/// The refusal that an operator gets.
pub fn status(error: &ReportError) -> tonic::Status {
    match error {
        ReportError::NoRun(_) | ReportError::NoPlan(_) => tonic::Status::failed_precondition(chain(error)),
        ReportError::Journal(_) => tonic::Status::internal(chain(error)),
    }
}
