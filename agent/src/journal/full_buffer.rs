//! A journal whose buffer is so full of what never goes that nothing new may begin: for tests.

use super::{Batch, Draft, Journal, JournalError, MemoryJournal, Position, StepRecord};
use model::event::NodeEvent;
use model::ids::{Epoch, Seq};

/// Takes what a full one takes.
pub(crate) struct FullBuffer(pub(crate) MemoryJournal);

impl Journal for FullBuffer {
    fn position(&self) -> Position {
        self.0.position()
    }

    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    fn steps(&self) -> Vec<StepRecord> {
        self.0.steps()
    }

    fn append(&mut self, batch: &Batch) -> Result<Seq, JournalError> {
        if batch.begins() {
            return Err(JournalError::Full);
        }
        self.0.append(batch)
    }

    fn read(&self, from: Seq, max: usize) -> Result<Vec<NodeEvent>, JournalError> {
        self.0.read(from, max)
    }

    fn ack(&mut self, upto: Seq) -> Result<(), JournalError> {
        self.0.ack(upto)
    }

    fn renew(&mut self, reason: &str, stamp: &Draft) -> Result<(), JournalError> {
        self.0.renew(reason, stamp)
    }
}
