//! The real log, with a moment at which its process dies.

use coordinator::journal::{Entry, Journal, JournalError, JournalReader, RedbJournal};
use model::ids::{Epoch, LogId, Revision};

/// Where a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrow {
    /// The decision is lost with everything that follows from it.
    BeforeWrite,
    /// The decision is on disk and nobody was told.
    AfterWrite,
}

/// The real log, which fails once.
pub(crate) struct Mortal {
    pub(crate) inner: RedbJournal,
    pub(crate) arrow: Arrow,
    pub(crate) left: u32,
}

impl Journal for Mortal {
    fn log_id(&self) -> LogId {
        self.inner.log_id()
    }
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }
    fn head(&self) -> Revision {
        self.inner.head()
    }
    fn oldest(&self) -> Revision {
        self.inner.oldest()
    }
    fn append(&mut self, batch: &[Entry]) -> Result<Revision, JournalError> {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return self.inner.append(batch);
        }
        if self.arrow == Arrow::AfterWrite {
            self.inner.append(batch)?;
        }
        Err(JournalError::Poisoned)
    }
    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        self.inner.read(after, max)
    }
    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        self.inner.compact(oldest, base)
    }
    fn checkpoint(&mut self, base: &[u8]) -> Result<(), JournalError> {
        self.inner.checkpoint(base)
    }
    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
        self.inner.base()
    }
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn reader(&self) -> JournalReader {
        self.inner.reader()
    }
}
