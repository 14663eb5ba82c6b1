//! The journal on sled 0.34, which alone is not enough: its flush does not sync the file, damage makes it panic at open,
//! and a lost tail opens without a word. So every append is followed by `fdatasync`, opening is guarded, and a checkpoint
//! beside the store says how far it must reach.

use super::checkpoint::Slots;
use super::quota::{self, REFUSE_ABOVE, THIN_ABOVE};
use super::{Batch, Draft, Journal, JournalError, Position, StepRecord, frame, renew};
use crate::clock;
use crate::journal::store_sled::{self, Store};
use model::event::NodeEvent;
use model::ids::{BootId, Epoch, Incarnation, Seq, StepId};
use model::moment::Moment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Checkpoints are synced each so many appends; in between they survive the process only.
const SYNC_EVERY: u32 = 64;
/// A store that met a full disk is opened anew at most this often: all of it is read each time.
const REOPEN_EVERY_MS: u64 = 1000;
const INCARNATION: &[u8] = b"m/incarnation";
const EPOCH: &[u8] = b"m/epoch";
const ACKED: &[u8] = b"m/acked";

/// Events and steps in one sled tree.
pub struct SledJournal {
    folder: PathBuf,
    /// Away while the disk has no room to open it.
    store: Option<Store>,
    /// From then on it may be opened anew, on the monotonic clock.
    reopen_at_ms: u64,
    slots: Slots,
    incarnation: Incarnation,
    acked: Seq,
    last: Seq,
    epoch: Epoch,
    steps: BTreeMap<StepId, StepRecord>,
    /// Of all event records.
    bytes: u64,
    /// With more than that it is thinned out.
    thin_above: u64,
    appends: u32,
}

impl std::fmt::Debug for SledJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledJournal")
            .field("folder", &self.folder)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl SledJournal {
    /// Opens or makes the journal in `folder`. What is damaged is put aside and declared, stamped with `stamp`.
    pub fn open(folder: &Path, stamp: &Draft) -> Result<Self, JournalError> {
        crate::durable::folder(folder, 0o700).map_err(JournalError::Sync)?;
        let (slots, checkpoint) = Slots::open(folder);
        let (store, mut lost) = store_sled::open_or_put_aside(folder)?;
        store_sled::make_ballast(folder);
        let mut journal = Self {
            folder: folder.to_owned(),
            store: Some(store),
            reopen_at_ms: 0,
            slots,
            incarnation: Incarnation([0; 16]),
            acked: Seq(0),
            last: Seq(0),
            epoch: checkpoint.map_or(Epoch(0), |c| c.epoch),
            steps: BTreeMap::new(),
            bytes: 0,
            thin_above: THIN_ABOVE,
            appends: 0,
        };
        let known = journal.load()?;
        if lost.is_none() {
            lost = match (known, checkpoint) {
                (false, Some(c)) => Some(format!(
                    "the journal is gone, with events 1 to {} unless acknowledged",
                    c.last
                )),
                (true, Some(c)) if c.incarnation == journal.incarnation && c.last > journal.last => {
                    Some(format!(
                        "the end of the journal is gone: events {} to {}",
                        journal.last.next(),
                        c.last
                    ))
                }
                _ => None,
            };
        }
        if let Some(reason) = lost {
            journal.renew(&reason, stamp)?;
        } else if !known {
            journal.incarnation = renew::fresh()?;
            journal.write_identity()?;
        }
        journal.checkpoint(true)?;
        Ok(journal)
    }

    /// Reads what is there; says whether the store has had a life before.
    fn load(&mut self) -> Result<bool, JournalError> {
        let store = self.store()?;
        let number = |key: &[u8]| -> Result<Option<u64>, JournalError> {
            Ok(store
                .get(key)?
                .and_then(|v| v.as_ref().try_into().ok())
                .map(u64::from_be_bytes))
        };
        let incarnation = store
            .get(INCARNATION)?
            .and_then(|v| v.as_ref().try_into().ok())
            .map(Incarnation);
        let (acked, epoch) = (
            Seq(number(ACKED)?.unwrap_or(0)),
            Epoch(number(EPOCH)?.unwrap_or(0)),
        );
        let mut last = acked;
        let mut bytes = 0;
        for record in store.events(Seq(0)) {
            let (seq, value) = record?;
            last = last.max(seq);
            bytes += store_sled::size(&value);
        }
        let values: Vec<_> = store.steps().collect::<Result<_, _>>()?;
        let steps: Vec<StepRecord> = values.iter().filter_map(|value| frame::decode(value)).collect();
        self.incarnation = incarnation.unwrap_or(self.incarnation);
        (self.acked, self.last, self.bytes) = (acked, last, bytes);
        self.epoch = self.epoch.max(epoch);
        self.steps = steps.into_iter().map(|s| (s.step(), s)).collect();
        Ok(incarnation.is_some())
    }

    fn write_identity(&mut self) -> Result<(), JournalError> {
        let mut writes = sled::Batch::default();
        writes.insert(INCARNATION, self.incarnation.0.as_slice());
        writes.insert(ACKED, self.acked.0.to_be_bytes().as_slice());
        writes.insert(EPOCH, self.epoch.0.to_be_bytes().as_slice());
        self.commit(writes)
    }

    fn checkpoint(&mut self, sync: bool) -> Result<(), JournalError> {
        self.slots
            .write(self.position(), self.epoch, sync)
            .map_err(JournalError::Sync)
    }

    fn store(&self) -> Result<&Store, JournalError> {
        self.store.as_ref().ok_or(JournalError::Full)
    }

    /// Applies and makes durable.
    fn commit(&mut self, writes: sled::Batch) -> Result<(), JournalError> {
        self.write(|store| store.commit(writes.clone()))
    }

    /// Writes. On a full disk the store is opened anew and it is tried once more: after a failed write sled refuses every
    /// other one for as long as it is open, however much room there is by then.
    fn write(&mut self, write: impl Fn(&Store) -> Result<(), JournalError>) -> Result<(), JournalError> {
        match self.store().and_then(&write) {
            Err(JournalError::Full) => {}
            other => return other,
        }
        self.reopen()?;
        self.store().and_then(&write)?;
        store_sled::make_ballast(&self.folder);
        Ok(())
    }

    /// Opens the store anew where that may help: the ballast went for it, or somebody else made room.
    fn reopen(&mut self) -> Result<(), JournalError> {
        let now = clock::monotonic_ms();
        let room_again = || now >= self.reopen_at_ms && store_sled::has_room(&self.folder);
        if !store_sled::release_ballast(&self.folder) && !room_again() {
            return Err(JournalError::Full);
        }
        self.reopen_at_ms = now + REOPEN_EVERY_MS;
        self.store = None;
        self.store = Some(store_sled::open_again(&self.folder)?);
        self.bytes = self.weigh()?;
        Ok(())
    }

    /// Bytes of all event records.
    fn weigh(&self) -> Result<u64, JournalError> {
        let records = self.store()?.events(Seq(0));
        records
            .map(|record| record.map(|(_, value)| store_sled::size(&value)))
            .sum()
    }

    /// Makes room by declaring runs of samples as dropped.
    fn thin(&mut self) -> Result<(), JournalError> {
        let events = self.read(Seq(0), usize::MAX)?;
        let mut writes = sled::Batch::default();
        for thinned in quota::thin(&events) {
            for seq in thinned.remove {
                writes.remove(store_sled::event_key(seq).as_slice());
            }
            writes.insert(
                store_sled::event_key(thinned.put.seq).as_slice(),
                frame::encode(&thinned.put)?,
            );
        }
        self.commit(writes)?;
        self.bytes = self.weigh()?;
        self.thin_above = quota::thin_next_above(self.bytes);
        Ok(())
    }
}

impl Journal for SledJournal {
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
        let begins = batch.begins();
        // No step is refused for the sake of samples.
        if self.bytes > self.thin_above || (begins && self.bytes > REFUSE_ABOVE) {
            self.thin()?;
        }
        if begins && self.bytes > REFUSE_ABOVE {
            return Err(JournalError::Full);
        }
        let mut writes = sled::Batch::default();
        let (mut last, mut added) = (self.last, 0);
        for draft in &batch.events {
            last = last.next();
            let value = frame::encode(&renew::numbered(draft, self.incarnation, last))?;
            added += store_sled::size(&value);
            writes.insert(store_sled::event_key(last).as_slice(), value);
        }
        for step in &batch.steps {
            writes.insert(store_sled::step_key(step.step()).as_slice(), frame::encode(step)?);
        }
        for step in &batch.forget {
            writes.remove(store_sled::step_key(*step).as_slice());
        }
        let epoch = self.epoch.max(batch.epoch.unwrap_or_default());
        let raised = epoch > self.epoch;
        if raised {
            writes.insert(EPOCH, epoch.0.to_be_bytes().as_slice());
        }
        self.commit(writes)?;
        (self.last, self.epoch) = (last, epoch);
        self.bytes += added;
        self.steps
            .extend(batch.steps.iter().map(|s| (s.step(), s.clone())));
        self.steps.retain(|step, _| !batch.forget.contains(step));
        self.appends += 1;
        self.checkpoint(raised || self.appends.is_multiple_of(SYNC_EVERY))?;
        Ok(last)
    }

    fn read(&self, from: Seq, max: usize) -> Result<Vec<NodeEvent>, JournalError> {
        let mut events: Vec<NodeEvent> = Vec::new();
        let mut next = from.max(self.acked.next());
        for record in self.store()?.events(next).take(max) {
            let (seq, value) = record?;
            // Left behind by a write that was refused: its numbers are given again.
            if seq > self.last {
                break;
            }
            let stub = || {
                let (boot, kind) = (
                    BootId([0; 16]),
                    model::event::NodeEventKind::AgentStarted {
                        version: String::new(),
                    },
                );
                NodeEvent {
                    incarnation: self.incarnation,
                    seq,
                    time: Moment(0),
                    monotonic_ms: 0,
                    boot,
                    kind,
                }
            };
            let decoded = frame::decode::<NodeEvent>(&value).filter(|e| e.seq == seq);
            let event =
                decoded.unwrap_or_else(|| super::dropped(&stub(), next, seq, "the record was damaged"));
            let first = quota::first_of(&event);
            if first > next {
                let before = Seq(first.0.saturating_sub(1));
                events.push(super::dropped(&event, next, before, "the record is gone"));
            }
            next = seq.next();
            events.push(event);
        }
        Ok(events)
    }

    fn ack(&mut self, upto: Seq) -> Result<(), JournalError> {
        let upto = upto.min(self.last);
        if upto <= self.acked {
            return Ok(());
        }
        let mut writes = sled::Batch::default();
        let mut freed = 0;
        for record in self.store()?.events(Seq(0)) {
            let (seq, value) = record?;
            if seq > upto {
                break;
            }
            freed += store_sled::size(&value);
            writes.remove(store_sled::event_key(seq).as_slice());
        }
        writes.insert(ACKED, upto.0.to_be_bytes().as_slice());
        // Not synced: an acknowledgement that is lost makes the event come twice, which its number tells.
        self.write(|store| store.apply(writes.clone()))?;
        self.acked = upto;
        self.bytes = self.bytes.saturating_sub(freed);
        self.thin_above = self.thin_above.min(quota::thin_next_above(self.bytes));
        Ok(())
    }

    fn renew(&mut self, reason: &str, stamp: &Draft) -> Result<(), JournalError> {
        let kept = self.read(Seq(0), usize::MAX)?;
        let mut writes = sled::Batch::default();
        for record in self.store()?.events(Seq(0)) {
            let (seq, _) = record?;
            writes.remove(store_sled::event_key(seq).as_slice());
        }
        let incarnation = renew::fresh()?;
        let events = renew::renumbered(kept, incarnation, reason, stamp);
        for event in &events {
            writes.insert(store_sled::event_key(event.seq).as_slice(), frame::encode(event)?);
        }
        writes.insert(INCARNATION, incarnation.0.as_slice());
        writes.insert(ACKED, 0u64.to_be_bytes().as_slice());
        writes.insert(EPOCH, self.epoch.0.to_be_bytes().as_slice());
        self.commit(writes)?;
        self.incarnation = incarnation;
        (self.acked, self.last) = (Seq(0), events.last().map_or(Seq(0), |e| e.seq));
        self.bytes = self.weigh()?;
        self.checkpoint(true)
    }
}
