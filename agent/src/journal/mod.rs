//! What the front must not forget: its numbered events, its ledger of steps, the highest epoch it obeyed.
//!
//! Everything appended is durable when `append` returns, in one piece or not at all. Stores sit behind [`Journal`] and
//! pass one conformance suite.

mod checkpoint;
#[cfg(test)]
mod conformance;
mod frame;
#[cfg(test)]
mod full_buffer;
mod journal_memory;
mod journal_sled;
mod quota;
mod renew;
mod store_sled;
mod writer;

pub use checkpoint::Checkpoint;
#[cfg(test)]
pub(crate) use full_buffer::FullBuffer;
pub use journal_memory::MemoryJournal;
pub use journal_sled::SledJournal;
pub use writer::{Handle, Writer};

use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, BootId, Epoch, Incarnation, Seq, StepId};
use model::moment::Moment;
use model::step::{StepOrder, StepOutcome};
use serde::{Deserialize, Serialize};

/// Ledger entries kept after their outcome was reported.
pub const REMEMBERED_STEPS: usize = 1000;
/// Buffer quota in bytes of event records.
pub const QUOTA: u64 = 64 << 20;

/// An event before it has its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Wall time.
    pub time: Moment,
    /// Monotonic milliseconds.
    pub monotonic_ms: u64,
    /// The boot.
    pub boot: BootId,
    /// What happened.
    pub kind: NodeEventKind,
}

/// How far a step is, as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum StepPhase {
    /// The order is kept; nothing ran.
    Accepted,
    /// The root helper was or is about to be asked to start it.
    Started {
        /// In which boot.
        boot: BootId,
    },
    /// It ended; the coordinator was not told yet.
    Finished {
        /// How.
        outcome: StepOutcome,
    },
    /// It ended, and the event that says so is in the journal.
    Reported {
        /// How.
        outcome: StepOutcome,
    },
}

/// One ledger entry: the latest attempt of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The order.
    pub order: StepOrder,
    /// How far it is.
    pub phase: StepPhase,
    /// When that was written.
    pub at: Moment,
}

impl StepRecord {
    /// The step.
    pub fn step(&self) -> StepId {
        self.order.step
    }

    /// The attempt.
    pub fn attempt(&self) -> Attempt {
        self.order.attempt
    }
}

/// What is written together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Events, which get the next numbers in this order.
    pub events: Vec<Draft>,
    /// Ledger entries, each replacing what was there of its step.
    pub steps: Vec<StepRecord>,
    /// Ledger entries to forget.
    pub forget: Vec<StepId>,
    /// A higher epoch.
    pub epoch: Option<Epoch>,
}

impl Batch {
    /// Whether a new step begins with it, which a full buffer refuses.
    pub(crate) fn begins(&self) -> bool {
        self.steps.iter().any(|step| step.phase == StepPhase::Accepted)
    }

    /// Takes another batch behind this one.
    pub fn join(&mut self, other: Batch) {
        self.events.extend(other.events);
        self.steps.extend(other.steps);
        self.forget.extend(other.forget);
        self.epoch = self.epoch.max(other.epoch);
    }
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// This life of the store.
    pub incarnation: Incarnation,
    /// The lowest number still kept; one above `last` when there is none.
    pub first_unacked: Seq,
    /// The highest number given; 0 before the first.
    pub last: Seq,
}

/// Why the journal cannot go on. Only [`JournalError::Full`] may be met again later; every other ends the process, since
/// what a store does after a failed write cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full, even after the ballast was given up.
    #[error("the journal's disk is full")]
    Full,
    /// The store failed.
    #[error("the journal's store failed")]
    Store(#[source] sled::Error),
    /// A file of the journal could not be made durable.
    #[error("the journal cannot be made durable")]
    Sync(#[source] std::io::Error),
    /// A record cannot be written, because it is too large or no JSON.
    #[error("a record cannot be written: {0}")]
    Record(String),
    /// The writer ended.
    #[error("the journal's writer ended")]
    Ended,
}

/// A store of events and steps.
pub trait Journal: Send {
    /// Where the stream stands.
    fn position(&self) -> Position;
    /// Highest epoch obeyed.
    fn epoch(&self) -> Epoch;
    /// All ledger entries.
    fn steps(&self) -> Vec<StepRecord>;
    /// Writes all of it, durable on return; gives the last number used.
    fn append(&mut self, batch: &Batch) -> Result<Seq, JournalError>;
    /// Events from `from` on, at most `max` of them. Damaged records come as `Dropped`.
    fn read(&self, from: Seq, max: usize) -> Result<Vec<NodeEvent>, JournalError>;
    /// Events up to here are safe elsewhere and may go. Need not be durable: what comes back is sent again.
    fn ack(&mut self, upto: Seq) -> Result<(), JournalError>;
    /// Begins a new life because part of the old one is gone; keeps what is left of it, renumbered behind `StoreLost`.
    fn renew(&mut self, reason: &str, stamp: &Draft) -> Result<(), JournalError>;
}

/// The declaration that numbers will never come; it carries the last of them.
pub fn dropped(stamp: &NodeEvent, from: Seq, to: Seq, reason: &str) -> NodeEvent {
    NodeEvent {
        seq: to,
        kind: NodeEventKind::Dropped {
            from,
            to,
            reason: reason.into(),
        },
        ..stamp.clone()
    }
}
