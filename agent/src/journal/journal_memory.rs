//! A journal that forgets everything with its process: for tests and simulations.

use super::{Batch, Draft, Journal, JournalError, Position, StepRecord, frame, quota, renew};
use model::event::NodeEvent;
use model::ids::{Epoch, Incarnation, Seq, StepId};
use std::collections::BTreeMap;

/// All in memory.
#[derive(Debug, Clone)]
pub struct MemoryJournal {
    incarnation: Incarnation,
    events: BTreeMap<Seq, NodeEvent>,
    steps: BTreeMap<StepId, StepRecord>,
    acked: Seq,
    last: Seq,
    epoch: Epoch,
}

impl MemoryJournal {
    /// An empty journal of this life.
    pub fn new(incarnation: Incarnation) -> Self {
        let (events, steps) = (BTreeMap::new(), BTreeMap::new());
        Self {
            incarnation,
            events,
            steps,
            acked: Seq(0),
            last: Seq(0),
            epoch: Epoch(0),
        }
    }

    /// Thins out as the store on disk does when its buffer fills.
    pub fn thin(&mut self) {
        let events: Vec<NodeEvent> = self.events.values().cloned().collect();
        for thinned in quota::thin(&events) {
            self.events.retain(|seq, _| !thinned.remove.contains(seq));
            self.events.insert(thinned.put.seq, thinned.put);
        }
    }
}

impl Journal for MemoryJournal {
    fn position(&self) -> Position {
        Position {
            incarnation: self.incarnation,
            first_unacked: self.acked.next(),
            last: self.last,
        }
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn steps(&self) -> Vec<StepRecord> {
        self.steps.values().cloned().collect()
    }

    fn append(&mut self, batch: &Batch) -> Result<Seq, JournalError> {
        for draft in &batch.events {
            // The same limit as on disk, so that a simulation meets it too.
            frame::encode(&draft.kind)?;
        }
        for draft in &batch.events {
            self.last = self.last.next();
            self.events
                .insert(self.last, renew::numbered(draft, self.incarnation, self.last));
        }
        for step in &batch.steps {
            self.steps.insert(step.step(), step.clone());
        }
        for step in &batch.forget {
            self.steps.remove(step);
        }
        self.epoch = self.epoch.max(batch.epoch.unwrap_or_default());
        Ok(self.last)
    }

    fn read(&self, from: Seq, max: usize) -> Result<Vec<NodeEvent>, JournalError> {
        Ok(self
            .events
            .range(from..)
            .take(max)
            .map(|(_, event)| event.clone())
            .collect())
    }

    fn ack(&mut self, upto: Seq) -> Result<(), JournalError> {
        self.acked = self.acked.max(upto.min(self.last));
        self.events.retain(|seq, _| *seq > upto);
        Ok(())
    }

    fn renew(&mut self, reason: &str, stamp: &Draft) -> Result<(), JournalError> {
        let kept: Vec<NodeEvent> = std::mem::take(&mut self.events).into_values().collect();
        self.incarnation = renew::fresh()?;
        let events = renew::renumbered(kept, self.incarnation, reason, stamp);
        self.acked = Seq(0);
        self.last = events.last().map_or(Seq(0), |e| e.seq);
        self.events = events.into_iter().map(|e| (e.seq, e)).collect();
        Ok(())
    }
}
