//! The log in one redb file. A commit there is an fsync, and every page carries a checksum.
//!
//! The store is checked as a whole when it is opened, entries once more when they are read. redb may panic on bytes it
//! never wrote; such a panic is damage, and is caught here.

mod ahead;
mod damage;
mod store;
mod verify;

use super::chain::Chain;
use super::reader::ReadLog;
use super::tail::Tail;
use super::{Entry, Journal, JournalError, JournalReader, check_sizes, record, to_keep};
use crate::files::open_private;
use crate::metrics::LogTimes;
use damage::guarded;
use model::ids::{Epoch, LogId, Revision};
use redb::Database;
use redb::backends::FileBackend;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use store::Store;
#[cfg(test)]
pub(super) use store::{BASE, ENTRIES, META, SEALS};
use tokio::sync::watch;

/// redb's own default is 1 GiB; the whole daemon should stay below 64 MiB.
const CACHE: usize = 8 * 1024 * 1024;

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

impl RedbJournal {
    /// The store in the file, which is made if there is none. What is in it is not looked at.
    fn store(path: &Path) -> Result<Store, JournalError> {
        let existed = path.exists();
        if existed {
            ahead::read_ahead(path);
        }
        let database = guarded(path, || {
            let options = &mut OpenOptions::new();
            let file = open_private(path, options.read(true).write(true).create(true).truncate(false))?;
            let database = Database::builder()
                .set_cache_size(CACHE)
                .set_check_integrity_on_open(existed)
                .create_with_backend(FileBackend::new(file)?)?;
            if !existed {
                sync_parent(path)?;
            }
            Ok(database)
        })?;
        Ok(Store {
            path: path.to_owned(),
            database,
            oldest: AtomicU64::new(1),
            size: AtomicU64::new(0),
            tail: Tail::default(),
        })
    }

    /// Whether a start would find the log in the file whole. No epoch is taken by that.
    pub fn check(path: &Path) -> Result<(), JournalError> {
        let store = Self::store(path)?;
        let Some(meta) = guarded(path, || store.look())? else {
            return Ok(());
        };
        store.verify(&meta)?;
        base(&store).map(drop)
    }

    /// Opens or makes the log, checks all of it, and raises the epoch durably. `fresh_id` names the log if it is new.
    pub fn open(path: &Path, fresh_id: LogId) -> Result<Self, JournalError> {
        let store = Self::store(path)?;
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

    /// The end of the chain of hashes over all entries and bases.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Drops entries below `oldest`, if any, and leaves `base` for what was known at the head.
    fn leave(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        let (head, end) = (self.head(), self.chain);
        let (freed, end) = guarded(&self.store.path, || self.store.compact(oldest, head, end, base))
            .inspect_err(|_| self.poisoned = true)?;
        self.chain = end;
        self.store.size.fetch_sub(freed, Ordering::Relaxed);
        Ok(())
    }
}

/// Puts a damaged log aside as `NAME.damaged-1` and returns where; the next open makes a new one with another log id. Earlier ones
/// get the next numbers, and none is deleted.
pub fn quarantine(path: &Path) -> io::Result<PathBuf> {
    let slot = |n: usize| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".damaged-{n}"));
        path.with_file_name(name)
    };
    let earlier = (1..).take_while(|n| slot(*n).exists()).count();
    for n in (1..=earlier).rev() {
        fs::rename(slot(n), slot(n + 1))?;
    }
    fs::rename(path, slot(1))?;
    sync_parent(path)?;
    Ok(slot(1))
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
        self.store.tail.extend(head, batch);
        self.head.send_replace(revision);
        Ok(revision)
    }

    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        self.reader().read(after, max)
    }

    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
        base(&self.store)
    }

    fn size(&self) -> u64 {
        self.store.size.load(Ordering::Relaxed)
    }

    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let Some(oldest) = to_keep(self, oldest) else {
            return Ok(());
        };
        // Readers are told first: a reader in the middle then sees `Compacted`, never a hole.
        self.store.oldest.store(oldest.0, Ordering::Release);
        self.leave(oldest, base)
    }

    fn checkpoint(&mut self, base: &[u8]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        self.leave(self.oldest(), base)
    }

    fn reader(&self) -> JournalReader {
        JournalReader::new(
            self.log_id,
            self.head.subscribe(),
            Arc::<Store>::clone(&self.store),
        )
    }
}

fn base(store: &Store) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
    let Some((at, sealed)) = guarded(&store.path, || store.base())? else {
        return Ok(None);
    };
    let base = record::decode(Revision(at), &sealed).map_err(|reason| JournalError::Damaged {
        path: store.path.clone(),
        place: "in its base".to_owned(),
        reason,
    })?;
    Ok(Some((Revision(at), base.json.into())))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
