//! The log in memory, for tests and simulation: same rules, nothing survives.

use super::reader::ReadLog;
use super::{Entry, Journal, JournalError, JournalReader, check_sizes, record, to_keep};
use model::ids::{Epoch, LogId, Revision};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

#[derive(Debug, Default)]
struct Kept {
    dropped: u64,
    entries: VecDeque<Entry>,
    base: Option<(Revision, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Shared(RwLock<Kept>);

/// A log without a disk.
#[derive(Debug)]
pub struct MemoryJournal {
    log_id: LogId,
    epoch: Epoch,
    shared: Arc<Shared>,
    head: watch::Sender<Revision>,
}

impl MemoryJournal {
    /// An empty log at epoch 1.
    pub fn new(log_id: LogId) -> Self {
        Self {
            log_id,
            epoch: Epoch(1),
            shared: Arc::default(),
            head: watch::Sender::new(Revision(0)),
        }
    }

    /// The same log as after a restart: next epoch, all entries.
    #[must_use]
    pub fn reopen(self) -> Self {
        let kept = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        let head = kept.dropped + u64::try_from(kept.entries.len()).unwrap_or(u64::MAX);
        drop(kept);
        Self {
            epoch: self.epoch.next(),
            head: watch::Sender::new(Revision(head)),
            ..self
        }
    }
}

#[cfg(test)]
impl MemoryJournal {
    /// Another handle on the same entries, as a disk is to a process that is gone.
    pub(super) fn twin(&self) -> Self {
        let head = watch::Sender::new(Revision(0));
        Self {
            log_id: self.log_id,
            epoch: self.epoch,
            shared: Arc::clone(&self.shared),
            head,
        }
    }
}

impl ReadLog for Shared {
    fn oldest(&self) -> Revision {
        Revision(self.0.read().unwrap_or_else(PoisonError::into_inner).dropped + 1)
    }

    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let numbered = (kept.dropped + 1..)
            .map(Revision)
            .zip(kept.entries.iter().cloned());
        Ok(numbered
            .skip_while(|(revision, _)| *revision <= after)
            .take(max)
            .collect())
    }
}

impl Journal for MemoryJournal {
    fn log_id(&self) -> LogId {
        self.log_id
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn head(&self) -> Revision {
        *self.head.borrow()
    }

    fn oldest(&self) -> Revision {
        self.shared.oldest()
    }

    fn append(&mut self, batch: &[Entry]) -> Result<Revision, JournalError> {
        check_sizes(batch)?;
        let mut kept = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.entries.extend(batch.iter().cloned());
        drop(kept);
        let grown = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.head.send_modify(|head| head.0 += grown);
        Ok(self.head())
    }

    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        self.reader().read(after, max)
    }

    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
        let kept = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.base.clone())
    }

    fn size(&self) -> u64 {
        let kept = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.entries.iter().map(record::size).sum()
    }

    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        let Some(oldest) = to_keep(self, oldest) else {
            return Ok(());
        };
        let head = self.head();
        let mut kept = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
        while kept.dropped + 1 < oldest.0 {
            kept.entries.pop_front();
            kept.dropped += 1;
        }
        kept.base = Some((head, base.to_vec()));
        Ok(())
    }

    fn checkpoint(&mut self, base: &[u8]) -> Result<(), JournalError> {
        let head = self.head();
        let mut kept = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.base = Some((head, base.to_vec()));
        Ok(())
    }

    fn reader(&self) -> JournalReader {
        JournalReader::new(
            self.log_id,
            self.head.subscribe(),
            Arc::<Shared>::clone(&self.shared),
        )
    }
}
