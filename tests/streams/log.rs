//! Storage that loses what was not made durable: the log of a coordinator whose power may go at any write.

use coordinator::journal::{Entry, Journal, JournalError, JournalReader, MemoryJournal};
use model::ids::{Epoch, LogId, Revision};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the write is durable: nothing of it is there later.
    BeforeSync,
    /// After it is durable and before the writer knows.
    AfterSync,
}

/// The disk; it outlives every process.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<(MemoryJournal, Epoch, Option<Cut>)>>);

impl Disk {
    pub(crate) fn new(id: LogId) -> Self {
        Self(Arc::new(Mutex::new((MemoryJournal::new(id), Epoch(0), None))))
    }

    /// A process opens the log: its epoch is raised.
    pub(crate) fn open(&self) -> Log {
        let mut disk = self.lock();
        (disk.1, disk.2) = (disk.1.next(), None);
        Log {
            disk: self.clone(),
            epoch: disk.1,
        }
    }

    /// The power goes at the next write.
    pub(crate) fn cut_at_next_write(&self, cut: Cut) {
        self.lock().2 = Some(cut);
    }

    pub(crate) fn reader(&self) -> JournalReader {
        self.lock().0.reader()
    }

    pub(crate) fn head(&self) -> u64 {
        self.lock().0.head().0
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.lock().0.oldest().0
    }

    fn lock(&self) -> MutexGuard<'_, (MemoryJournal, Epoch, Option<Cut>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One opening of the log.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Disk,
    epoch: Epoch,
}

impl Journal for Log {
    fn log_id(&self) -> LogId {
        self.disk.lock().0.log_id()
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn head(&self) -> Revision {
        self.disk.lock().0.head()
    }

    fn oldest(&self) -> Revision {
        self.disk.lock().0.oldest()
    }

    fn append(&mut self, batch: &[Entry]) -> Result<Revision, JournalError> {
        let mut disk = self.disk.lock();
        match disk.2.take() {
            None => disk.0.append(batch),
            Some(Cut::BeforeSync) => Err(JournalError::Poisoned),
            Some(Cut::AfterSync) => disk.0.append(batch).and(Err(JournalError::Poisoned)),
        }
    }

    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        self.disk.lock().0.read(after, max)
    }

    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        self.disk.lock().0.compact(oldest, base)
    }

    fn checkpoint(&mut self, base: &[u8]) -> Result<(), JournalError> {
        self.disk.lock().0.checkpoint(base)
    }

    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
        self.disk.lock().0.base()
    }

    fn size(&self) -> u64 {
        self.disk.lock().0.size()
    }

    fn reader(&self) -> JournalReader {
        self.disk.reader()
    }
}
