//! The tables of the file, and what one transaction does to them.

use super::damage::{Cause, guarded};
use super::verify::{all_seals, link};
use crate::journal::chain::{Chain, Seal};
use crate::journal::reader::ReadLog;
use crate::journal::tail::Tail;
use crate::journal::{Entry, JournalError, record};
use model::ids::{Epoch, LogId, Revision};
use model::moment::Moment;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Entries by revision.
pub(in crate::journal) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// Of every base that the chain goes over since the oldest entry: its seal, 32 bytes, by the revision after which it was
/// taken; several in a row where no entry came between.
pub(in crate::journal) const SEALS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("seals");
pub(in crate::journal) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const LOG_ID: &str = "log_id";
const EPOCH: &str = "epoch";
const OLDEST: &str = "oldest";
const HEAD: &str = "head";
/// The chain before the oldest entry, and at the head.
const ANCHOR: &str = "anchor";
const CHAIN: &str = "chain";
/// The base of a log that was shortened, and the revision after which it was taken.
pub(in crate::journal) const BASE: &str = "base";
const BASE_AT: &str = "base_at";

/// The file, checked when it was opened.
pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) database: Database,
    pub(super) oldest: AtomicU64,
    /// Bytes of the entries that are kept.
    pub(super) size: AtomicU64,
    /// What was written since the file was opened, the newest of it.
    pub(super) tail: Tail,
}

/// What the meta table holds.
pub(super) struct Meta {
    pub(super) log_id: LogId,
    pub(super) epoch: Epoch,
    pub(super) oldest: Revision,
    pub(super) head: Revision,
    pub(super) anchor: Chain,
    /// None in a log that has no entry yet.
    pub(super) chain: Option<Chain>,
}

impl Meta {
    /// With the epoch of whoever opens the store now, and with defaults for a new one.
    fn read(table: &impl ReadableTable<&'static str, &'static [u8]>, fresh_id: LogId) -> Result<Self, Cause> {
        let log_id = match bytes(table, LOG_ID)? {
            Some(found) => LogId(found.try_into().map_err(|_| "the log id has the wrong length")?),
            None => fresh_id,
        };
        Ok(Self {
            log_id,
            epoch: Epoch(number(table, EPOCH)?.unwrap_or(0)).next(),
            oldest: Revision(number(table, OLDEST)?.unwrap_or(1)),
            head: Revision(number(table, HEAD)?.unwrap_or(0)),
            anchor: chain(table, ANCHOR)?.unwrap_or(Chain::begin(log_id)),
            chain: chain(table, CHAIN)?,
        })
    }
}

impl Store {
    /// Reads the meta table, with defaults for a new store, and commits the next epoch.
    pub(super) fn begin(&self, fresh_id: LogId) -> Result<Meta, Cause> {
        let write = self.durable()?;
        let meta = {
            let mut table = write.open_table(META)?;
            let meta = Meta::read(&table, fresh_id)?;
            table.insert(LOG_ID, meta.log_id.0.as_slice())?;
            table.insert(EPOCH, meta.epoch.0.to_le_bytes().as_slice())?;
            meta
        };
        write.open_table(ENTRIES)?;
        write.open_table(SEALS)?;
        write.commit()?;
        Ok(meta)
    }

    /// Reads the meta table and changes nothing; None where the next start has yet to make some of the three tables.
    pub(super) fn look(&self) -> Result<Option<Meta>, Cause> {
        let read = self.database.begin_read()?;
        if read.list_tables()?.count() < 3 {
            return Ok(None);
        }
        Meta::read(&read.open_table(META)?, LogId([0; 16])).map(Some)
    }

    pub(super) fn durable(&self) -> Result<WriteTransaction, Cause> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        Ok(write)
    }

    /// The new head, the end of its chain, and how long the commit took.
    pub(super) fn append(
        &self,
        head: Revision,
        mut chain: Chain,
        batch: &[Entry],
    ) -> Result<(Revision, Chain, Duration), Cause> {
        let write = self.durable()?;
        let mut revision = head;
        {
            let mut table = write.open_table(ENTRIES)?;
            for entry in batch {
                revision = revision.next();
                let stored = record::encode(revision, entry);
                chain = chain.with(revision, &stored);
                table.insert(revision.0, stored.as_slice())?;
            }
            let mut meta = write.open_table(META)?;
            meta.insert(HEAD, revision.0.to_le_bytes().as_slice())?;
            meta.insert(CHAIN, chain.0.as_slice())?;
        }
        let begun = Instant::now();
        write.commit()?;
        Ok((revision, chain, begun.elapsed()))
    }

    /// Drops entries below `oldest`, with `base` for what was known `at` the head. The bytes that went, and the end of the
    /// chain, which goes on from `end` over the base.
    pub(super) fn compact(
        &self,
        oldest: Revision,
        at: Revision,
        end: Chain,
        base: &[u8],
    ) -> Result<(u64, Chain), Cause> {
        let write = self.durable()?;
        let mut freed = 0;
        let base = record::encode(at, &Entry::new(Moment(0), base.to_vec()));
        let seal = Seal::of(&base);
        let end = end.sealed(seal);
        {
            let mut meta = write.open_table(META)?;
            let mut entries = write.open_table(ENTRIES)?;
            let mut seals = write.open_table(SEALS)?;
            let mut anchor = match (chain(&meta, ANCHOR)?, bytes(&meta, LOG_ID)?) {
                (Some(anchor), _) => anchor,
                (None, Some(id)) => Chain::begin(LogId(
                    id.try_into().map_err(|_| "the log id has the wrong length")?,
                )),
                (None, None) => return Err("the log has no id".into()),
            };
            let known = all_seals(&seals)?;
            for row in entries.range(..oldest.0)? {
                let (revision, stored) = row?;
                anchor = link(anchor, Revision(revision.value()), stored.value(), &known);
                freed += u64::try_from(stored.value().len()).unwrap_or(u64::MAX);
            }
            entries.retain_in(..oldest.0, |_, _| false)?;
            seals.retain_in(..oldest.0, |_, _| false)?;
            let here = known.get(&at.0).into_iter().flatten().chain([&seal]);
            let here: Vec<u8> = here.flat_map(|seal| seal.0).collect();
            seals.insert(at.0, here.as_slice())?;
            meta.insert(CHAIN, end.0.as_slice())?;
            meta.insert(OLDEST, oldest.0.to_le_bytes().as_slice())?;
            meta.insert(ANCHOR, anchor.0.as_slice())?;
            meta.insert(BASE_AT, at.0.to_le_bytes().as_slice())?;
            meta.insert(BASE, base.as_slice())?;
        }
        write.commit()?;
        Ok((freed, end))
    }

    pub(super) fn base(&self) -> Result<Option<(u64, Vec<u8>)>, Cause> {
        let table = self.database.begin_read()?.open_table(META)?;
        Ok(number(&table, BASE_AT)?.zip(bytes(&table, BASE)?))
    }

    pub(super) fn rows(&self, after: Revision, max: usize) -> Result<Vec<(u64, Vec<u8>)>, Cause> {
        let table = self.database.begin_read()?.open_table(ENTRIES)?;
        let mut rows = Vec::new();
        for row in table.range(after.next().0..)?.take(max) {
            let (revision, value) = row?;
            rows.push((revision.value(), value.value().to_vec()));
        }
        Ok(rows)
    }

    pub(super) fn damaged(&self, revision: Revision, reason: String) -> JournalError {
        JournalError::Damaged {
            path: self.path.clone(),
            place: format!("at revision {revision}"),
            reason,
        }
    }
}

impl ReadLog for Store {
    fn oldest(&self) -> Revision {
        Revision(self.oldest.load(Ordering::Acquire))
    }

    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        if let Some(entries) = self.tail.read(after, max) {
            return Ok(entries);
        }
        let rows = guarded(&self.path, || self.rows(after, max))?;
        let mut entries = Vec::with_capacity(rows.len());
        let mut expected = after.next();
        for (found, bytes) in rows {
            if found != expected.0 {
                return Err(self.damaged(expected, format!("revision {found} follows")));
            }
            let entry = record::decode(expected, &bytes).map_err(|reason| self.damaged(expected, reason))?;
            entries.push((expected, entry));
            expected = expected.next();
        }
        Ok(entries)
    }
}

fn bytes(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<Vec<u8>>, Cause> {
    Ok(table.get(key)?.map(|value| value.value().to_vec()))
}

fn number(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<Option<u64>, Cause> {
    match bytes(table, key)? {
        Some(found) => Ok(Some(u64::from_le_bytes(
            found
                .try_into()
                .map_err(|_| format!("{key} has the wrong length"))?,
        ))),
        None => Ok(None),
    }
}

fn chain(table: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<Option<Chain>, Cause> {
    let found = bytes(table, key)?.map(TryInto::try_into).transpose();
    Ok(found
        .map_err(|_: Vec<u8>| format!("{key} has the wrong length"))?
        .map(Chain))
}
