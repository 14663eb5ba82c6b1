//! The coordinator's durable log: entries with dense revisions, never changed once written.
//!
//! One writer (the engine) holds the [`Journal`]; any number of readers hold a [`JournalReader`], which is a cursor's
//! view of the same store and never slows the writer. An entry that [`Journal::append`] returned for is on disk.

mod chain;
mod entry;
mod lock;
mod memory;
mod reader;
mod record;
mod redb;
mod retention;
mod tail;

pub use self::redb::{RedbJournal, quarantine};
pub use chain::Chain;
pub use entry::Entry;
pub use lock::{HomeLock, LockError};
pub use memory::MemoryJournal;
pub use reader::JournalReader;
pub use retention::Retention;

use model::ids::{Epoch, LogId, Revision};
use std::path::PathBuf;

/// Largest entry in bytes; whatever is larger belongs in a file beside the log.
pub const MAX_ENTRY: usize = 1024 * 1024;

/// Why the log refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store cannot be opened, read or written; the host's fault.
    #[error("the log at {path} cannot be used")]
    Store {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store is readable but not what was written. It must be put aside with [`quarantine`], as `coordinator doctor --fix` does.
    #[error("the log at {path} is damaged {place}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// `at revision N`, `in its base`, or `as a whole`.
        place: String,
        /// What was found.
        reason: String,
    },
    /// An entry is too large.
    #[error("an entry of {size} bytes exceeds {MAX_ENTRY}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// The wanted entries were dropped by retention.
    #[error("entries up to revision {oldest} are no longer kept")]
    Compacted {
        /// The oldest revision that is still there.
        oldest: Revision,
    },
    /// A write failed before; what is on disk is unknown until the log is opened anew.
    #[error("an earlier write failed; the log must be opened anew")]
    Poisoned,
}

/// What every store refuses before it writes anything.
fn check_sizes(batch: &[Entry]) -> Result<(), JournalError> {
    match batch
        .iter()
        .map(|entry| entry.json.len())
        .find(|size| *size > MAX_ENTRY)
    {
        Some(size) => Err(JournalError::TooLarge { size }),
        None => Ok(()),
    }
}

/// Where a compaction up to `oldest` really cuts: the last entry always stays. None when nothing older is there.
fn to_keep(journal: &impl Journal, oldest: Revision) -> Option<Revision> {
    let oldest = oldest.min(journal.head());
    (oldest > journal.oldest()).then_some(oldest)
}

/// A durable log with one writer.
pub trait Journal: Send {
    /// Random name of this log; another one means that the old log is gone.
    fn log_id(&self) -> LogId;

    /// The epoch of this opening; it was raised and synced before the open returned.
    fn epoch(&self) -> Epoch;

    /// Revision of the last entry; 0 when empty.
    fn head(&self) -> Revision;

    /// Revision of the oldest entry still kept; 1 for an empty log.
    fn oldest(&self) -> Revision;

    /// Appends all of `batch` or nothing and returns the new head. On return it is on disk, and readers see it.
    /// After an error nothing more may be appended: what is on disk is then unknown.
    fn append(&mut self, batch: &[Entry]) -> Result<Revision, JournalError>;

    /// At most `max` entries with revisions above `after`, in order.
    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError>;

    /// Drops entries below `oldest`; the head always stays. `base` replaces what a fold would have learned from them: what
    /// was known after `head`. Both happen or neither does.
    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError>;

    /// Leaves `base` as what a fold begins from, the knowledge after `head`, and drops nothing: a start then folds the rest only.
    fn checkpoint(&mut self, base: &[u8]) -> Result<(), JournalError>;

    /// Where a fold begins: the last base, and the revision after which it was taken; None before the first.
    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError>;

    /// Bytes of all entries that are kept.
    fn size(&self) -> u64;

    /// A view for subscribers.
    fn reader(&self) -> JournalReader;
}

#[cfg(test)]
mod conformance;
