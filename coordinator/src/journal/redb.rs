//! The log in one redb file. A commit there is an fsync, and every page carries a checksum.
//!
//! The store is checked as a whole when it is opened, entries once more when they are read. redb may panic on bytes it
//! never wrote; such a panic is damage, and is caught here.

use super::chain::Chain;
use super::reader::ReadLog;
use super::{Entry, Journal, JournalError, JournalReader, check_sizes, record};
use crate::metrics::LogTimes;
use model::ids::{Epoch, LogId, Revision};
use model::moment::Moment;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::fs::{self, File};
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
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

/// redb's own default is 1 GiB; the whole daemon should stay below 64 MiB.
const CACHE: usize = 8 * 1024 * 1024;

type Cause = Box<dyn std::error::Error + Send + Sync>;

struct Store {
    path: PathBuf,
    database: Database,
    oldest: AtomicU64,
    /// Bytes of the entries that are kept.
    size: AtomicU64,
}

/// A log in a file.
pub struct RedbJournal {
    store: Arc<Store>,
    log_id: LogId,
    epoch: Epoch,
    head: watch::Sender<Revision>,
    chain: Chain,
    times: Option<LogTimes>,
    poisoned: bool,
}

impl std::fmt::Debug for RedbJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbJournal")
            .field("path", &self.store.path)
            .field("epoch", &self.epoch)
            .finish()
    }
}

/// What the meta table holds.
struct Meta {
    log_id: LogId,
    epoch: Epoch,
    oldest: Revision,
    head: Revision,
    anchor: Chain,
    /// None in a log that has no entry yet.
    chain: Option<Chain>,
}

impl RedbJournal {
    /// Opens or makes the log, checks all of it, and raises the epoch durably. `fresh_id` names the log if it is new.
    pub fn open(path: &Path, fresh_id: LogId) -> Result<Self, JournalError> {
        let existed = path.exists();
        let database = guarded(path, || {
            let database = Database::builder()
                .set_cache_size(CACHE)
                .set_check_integrity_on_open(existed)
                .create(path)?;
            if !existed {
                sync_parent(path)?;
            }
            Ok(database)
        })?;
        let store = Store {
            path: path.to_owned(),
            database,
            oldest: AtomicU64::new(1),
            size: AtomicU64::new(0),
        };
        let meta = guarded(path, || store.begin(fresh_id))?;
        store.oldest.store(meta.oldest.0, Ordering::Release);
        let chain = store.verify(&meta)?;
        Ok(Self {
            store: Arc::new(store),
            log_id: meta.log_id,
            epoch: meta.epoch,
            head: watch::Sender::new(meta.head),
            chain,
            times: None,
            poisoned: false,
        })
    }

    /// Notes how long each write takes.
    #[must_use]
    pub fn timed(mut self, times: LogTimes) -> Self {
        self.times = Some(times);
        self
    }

    /// The end of the chain of hashes over all entries.
    pub fn chain(&self) -> Chain {
        self.chain
    }
}

/// Puts a damaged log aside as `NAME.damaged-N` and returns where; the next open makes a new one with another log id. At
/// most two are kept, the newest ones.
pub fn quarantine(path: &Path) -> io::Result<PathBuf> {
    let slot = |n: u32| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".damaged-{n}"));
        path.with_file_name(name)
    };
    if slot(1).exists() {
        fs::rename(slot(1), slot(2))?;
    }
    fs::rename(path, slot(1))?;
    sync_parent(path)?;
    Ok(slot(1))
}

impl Store {
    /// Reads the meta table, with defaults for a new store, and commits the next epoch.
    fn begin(&self, fresh_id: LogId) -> Result<Meta, Cause> {
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
    fn verify(&self, meta: &Meta) -> Result<Chain, JournalError> {
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

    fn durable(&self) -> Result<WriteTransaction, Cause> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        Ok(write)
    }

    /// The new head, the end of its chain, and how long the commit took.
    fn append(
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
    fn compact(&self, oldest: Revision, at: Revision, base: &[u8]) -> Result<u64, Cause> {
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

    fn base(&self) -> Result<Option<(u64, Vec<u8>)>, Cause> {
        let table = self.database.begin_read()?.open_table(META)?;
        Ok(number(&table, BASE_AT)?.zip(bytes(&table, BASE)?))
    }

    fn rows(&self, after: Revision, max: usize) -> Result<Vec<(u64, Vec<u8>)>, Cause> {
        let table = self.database.begin_read()?.open_table(ENTRIES)?;
        let mut rows = Vec::new();
        for row in table.range(after.next().0..)?.take(max) {
            let (revision, value) = row?;
            rows.push((revision.value(), value.value().to_vec()));
        }
        Ok(rows)
    }

    fn damaged(&self, revision: Revision, reason: String) -> JournalError {
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

impl Journal for RedbJournal {
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
        self.store.oldest()
    }

    fn append(&mut self, batch: &[Entry]) -> Result<Revision, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        check_sizes(batch)?;
        if batch.is_empty() {
            return Ok(self.head());
        }
        let head = self.head();
        // A failed fsync may have dropped the dirty pages; trying again would report success for lost data.
        let chain = self.chain;
        let begun = Instant::now();
        let (revision, chain, commit) = guarded(&self.store.path, || self.store.append(head, chain, batch))
            .inspect_err(|_| self.poisoned = true)?;
        self.chain = chain;
        if let Some(times) = &self.times {
            times.note(begun.elapsed(), commit);
        }
        let added = batch.iter().map(record::size).sum();
        self.store.size.fetch_add(added, Ordering::Relaxed);
        self.head.send_replace(revision);
        Ok(revision)
    }

    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        self.reader().read(after, max)
    }

    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
        let Some((at, sealed)) = guarded(&self.store.path, || self.store.base())? else {
            return Ok(None);
        };
        let base = record::decode(Revision(at), &sealed).map_err(|reason| JournalError::Damaged {
            path: self.store.path.clone(),
            place: "in its base".to_owned(),
            reason,
        })?;
        Ok(Some((Revision(at), base.json)))
    }

    fn size(&self) -> u64 {
        self.store.size.load(Ordering::Relaxed)
    }

    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let head = self.head();
        let oldest = oldest.min(head);
        if oldest <= self.oldest() {
            return Ok(());
        }
        // Readers are told first: a reader in the middle then sees `Compacted`, never a hole.
        self.store.oldest.store(oldest.0, Ordering::Release);
        let freed = guarded(&self.store.path, || self.store.compact(oldest, head, base))
            .inspect_err(|_| self.poisoned = true)?;
        self.store.size.fetch_sub(freed, Ordering::Relaxed);
        Ok(())
    }

    fn reader(&self) -> JournalReader {
        JournalReader::new(
            self.log_id,
            self.head.subscribe(),
            Arc::<Store>::clone(&self.store),
        )
    }
}

/// Runs a store operation; a panic inside redb and its own word for damage both become [`JournalError::Damaged`].
fn guarded<T>(path: &Path, operation: impl FnOnce() -> Result<T, Cause>) -> Result<T, JournalError> {
    let damaged = |reason: String| JournalError::Damaged {
        path: path.to_owned(),
        place: "as a whole".to_owned(),
        reason,
    };
    match std::panic::catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) if is_corruption(&*source) => Err(damaged(source.to_string())),
        Ok(Err(source)) => Err(JournalError::Store {
            path: path.to_owned(),
            source,
        }),
        Err(_) => Err(damaged("the store gave up on its content".to_owned())),
    }
}

fn is_corruption(error: &(dyn std::error::Error + 'static)) -> bool {
    let storage = |error: &redb::StorageError| matches!(error, redb::StorageError::Corrupted(_));
    let opening = |error: &redb::DatabaseError| match error {
        redb::DatabaseError::Storage(inner) => {
            storage(inner)
                || matches!(inner, redb::StorageError::Io(io) if io.kind() == io::ErrorKind::InvalidData)
        }
        redb::DatabaseError::UpgradeRequired(_) | redb::DatabaseError::RepairAborted => true,
        _ => false,
    };
    error.downcast_ref().is_some_and(storage)
        || error.downcast_ref().is_some_and(opening)
        || matches!(error.downcast_ref(), Some(redb::TableError::Storage(inner)) if storage(inner))
        || matches!(error.downcast_ref(), Some(redb::TransactionError::Storage(inner)) if storage(inner))
        || matches!(error.downcast_ref(), Some(redb::CommitError::Storage(inner)) if storage(inner))
        || matches!(
            error.downcast_ref(),
            Some(redb::TableError::TableTypeMismatch { .. })
        )
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

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
