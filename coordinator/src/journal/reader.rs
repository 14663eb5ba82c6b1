//! What a subscriber holds: the log's name, a watch of its head, and reads that never touch the writer.

use super::{Entry, JournalError};
use model::ids::{LogId, Revision};
use std::sync::Arc;
use tokio::sync::watch;

/// Reads below the writer; implemented by each store.
pub(super) trait ReadLog: Send + Sync {
    fn oldest(&self) -> Revision;
    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError>;
}

/// A cloneable view of a log.
#[derive(Clone)]
pub struct JournalReader {
    log_id: LogId,
    head: watch::Receiver<Revision>,
    source: Arc<dyn ReadLog>,
}

impl std::fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalReader")
            .field("log_id", &self.log_id)
            .field("head", &self.head())
            .finish()
    }
}

impl JournalReader {
    pub(super) fn new(log_id: LogId, head: watch::Receiver<Revision>, source: Arc<dyn ReadLog>) -> Self {
        Self { log_id, head, source }
    }

    /// Name of the log.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// Revision of the last durable entry.
    pub fn head(&self) -> Revision {
        *self.head.borrow()
    }

    /// Revision of the oldest entry still kept.
    pub fn oldest(&self) -> Revision {
        self.source.oldest()
    }

    /// Waits until the head is above `after`; false when the writer is gone and nothing more will come.
    pub async fn wait_beyond(&mut self, after: Revision) -> bool {
        self.head.wait_for(|head| *head > after).await.is_ok()
    }

    /// At most `max` entries above `after`. [`JournalError::Compacted`] when some of them are no longer kept. Reads the
    /// disk; call it where blocking for a moment is allowed.
    pub fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        let result = self.source.read(after, max);
        // Asked after the read: retention may have moved while it was under way.
        let oldest = self.oldest();
        if after.next() < oldest {
            Err(JournalError::Compacted { oldest })
        } else {
            result
        }
    }
}
