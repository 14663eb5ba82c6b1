//! The tables of the file, and what one transaction does to them.

use super::damage::{Cause, guarded};
use crate::journal::chain::Chain;
use crate::journal::reader::ReadLog;
use crate::journal::{Entry, JournalError, record};
use model::ids::{Epoch, LogId, Revision};
use model::moment::Moment;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Entries by revision.
pub(in crate::journal) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const LOG_ID: &str = "log_id";
const EPOCH: &str = "epoch";
const OLDEST: &str = "oldest";
const HEAD: &str = "head";
/// The chain before the oldest entry, and at the head.
const ANCHOR: &str = "anchor";
const CHAIN: &str = "chain";
/// The base of a log that was shortened, and the revision after which it was taken.
const BASE: &str = "base";
const BASE_AT: &str = "base_at";

/// The file, checked when it was opened.
pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) database: Database,
    pub(super) oldest: AtomicU64,
    /// Bytes of the entries that are kept.
    pub(super) size: AtomicU64,
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

impl Store {
    /// Reads the meta table, with defaults for a new store, and commits the next epoch.
    pub(super) fn begin(&self, fresh_id: LogId) -> Result<Meta, Cause> {
        let write = self.durable()?;
        let meta = {
            let mut table = write.open_table(META)?;
            let log_id = match bytes(&table, LOG_ID)? {
                Some(found) => LogId(found.try_into().map_err(|_| "the log id has the wrong length")?),
                None => fresh_id,
            };
            let epoch = Epoch(number(&table, EPOCH)?.unwrap_or(0)).next();
            let oldest = Revision(number(&table, OLDEST)?.unwrap_or(1));
            let head = Revision(number(&table, HEAD)?.unwrap_or(0));
            let anchor = chain(&table, ANCHOR)?.unwrap_or(Chain::begin(log_id));
            let end = chain(&table, CHAIN)?;
            table.insert(LOG_ID, log_id.0.as_slice())?;
            table.insert(EPOCH, epoch.0.to_le_bytes().as_slice())?;
            Meta {
                log_id,
                epoch,
                oldest,
                head,
                anchor,
                chain: end,
            }
        };
        write.open_table(ENTRIES)?;
        write.commit()?;
        Ok(meta)
    }

    /// Every entry from the oldest to the head is there once, intact and what was written, and nothing else is. The end of
    /// their chain.
    pub(super) fn verify(&self, meta: &Meta) -> Result<Chain, JournalError> {
        let head = meta.head;
        let mut after = Revision(meta.oldest.0.saturating_sub(1));
        let mut chain = meta.anchor;
        loop {
            let batch = self.read(after, 1024)?;
            for (revision, entry) in &batch {
                chain = chain.with(*revision, &record::encode(*revision, entry));
            }
            let size = batch.iter().map(|(_, entry)| record::size(entry)).sum();
            self.size.fetch_add(size, Ordering::Relaxed);
            match batch.last() {
                Some((last, _)) => after = *last,
                None if after != head => {
                    return Err(self.damaged(after.next(), format!("it is missing, the head is {head}")));
                }
                None if meta.chain.is_some_and(|end| end != chain) => {
                    let reason = "the chain of hashes is broken: some entry is not what was written";
                    return Err(self.damaged(head, reason.to_owned()));
                }
                None => return Ok(chain),
            }
        }
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

    /// Gives the bytes that went.
    pub(super) fn compact(&self, oldest: Revision, at: Revision, base: &[u8]) -> Result<u64, Cause> {
        let write = self.durable()?;
        let mut freed = 0;
        {
            let mut meta = write.open_table(META)?;
            let mut entries = write.open_table(ENTRIES)?;
            let mut anchor = match (chain(&meta, ANCHOR)?, bytes(&meta, LOG_ID)?) {
                (Some(anchor), _) => anchor,
                (None, Some(id)) => Chain::begin(LogId(
                    id.try_into().map_err(|_| "the log id has the wrong length")?,
                )),
                (None, None) => return Err("the log has no id".into()),
            };
            for row in entries.range(..oldest.0)? {
                let (revision, stored) = row?;
                anchor = anchor.with(Revision(revision.value()), stored.value());
                freed += u64::try_from(stored.value().len()).unwrap_or(u64::MAX);
            }
            entries.retain_in(..oldest.0, |_, _| false)?;
            let sealed = record::encode(
                at,
                &Entry {
                    time: Moment(0),
                    json: base.to_vec(),
                },
            );
            meta.insert(OLDEST, oldest.0.to_le_bytes().as_slice())?;
            meta.insert(ANCHOR, anchor.0.as_slice())?;
            meta.insert(BASE_AT, at.0.to_le_bytes().as_slice())?;
            meta.insert(BASE, sealed.as_slice())?;
        }
        write.commit()?;
        Ok(freed)
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
