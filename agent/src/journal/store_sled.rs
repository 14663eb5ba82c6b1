//! The sled database itself: opened under guard, put aside when damaged, synced by our own call.

use super::JournalError;
use model::ids::{Seq, StepId};
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

const EVENT: u8 = b'e';
const STEP: u8 = b's';
/// Memory for cached pages. The front's whole budget is a few times this.
const CACHE: u64 = 2 << 20;
/// sled's own thread cleans space and syncs what nobody waits for.
const FLUSH_EVERY_MS: u64 = 500;
/// Given up when the disk is full, so that the store can be opened at all.
const BALLAST: i64 = 16 << 20;
/// What the store needs to go on: a few of its segments.
const ROOM: u64 = 2 << 20;
/// How often, and after which pauses, a store is tried whose file is still held.
const HELD_TRIES: u32 = 25;
const HELD_PAUSE: Duration = Duration::from_millis(20);
const KEPT_ASIDE: u32 = 2;

/// An open database.
pub(super) struct Store {
    db: sled::Db,
    /// The same file sled writes, held to sync it.
    file: File,
}

/// Opens the store; one that cannot be opened or read whole is moved aside, and the reason is given.
pub(super) fn open_or_put_aside(folder: &Path) -> Result<(Store, Option<String>), JournalError> {
    let reason = match open_again(folder) {
        Ok(store) => return Ok((store, None)),
        Err(JournalError::Full) if release_ballast(folder) => return open(folder).map(|store| (store, None)),
        Err(error @ (JournalError::Full | JournalError::Sync(_))) => return Err(error),
        // Somebody else's store is no damaged one.
        Err(error) if is_held(&error) => return Err(error),
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("the journal was damaged and put aside: {cause}")
        }
    };
    put_aside(folder).map_err(JournalError::Sync)?;
    Ok((open(folder)?, Some(reason.chars().take(300).collect())))
}

/// Opens and reads the whole store, since sled meets damage with a panic wherever it finds it.
pub(super) fn open(folder: &Path) -> Result<Store, JournalError> {
    let path = folder.join("store");
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<sled::Db, sled::Error> {
        let config = sled::Config::new()
            .path(&path)
            .cache_capacity(CACHE)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        let db = config.open()?;
        for item in db.iter() {
            item?;
        }
        Ok(db)
    }));
    let db = match opened {
        Ok(Ok(db)) => db,
        Ok(Err(error)) => return Err(classify(error)),
        Err(_) => {
            return Err(JournalError::Store(sled::Error::ReportableBug(
                "it panicked while it was opened".into(),
            )));
        }
    };
    let file = File::open(path.join("db")).map_err(JournalError::Sync)?;
    sync_all(&path).map_err(JournalError::Sync)?;
    Ok(Store { db, file })
}

/// Opens a store that may have been closed just now: a thread of sled's own, or a process that is ending, may hold its file a moment
/// longer.
pub(super) fn open_again(folder: &Path) -> Result<Store, JournalError> {
    for _ in 0..HELD_TRIES {
        match open(folder) {
            Err(error) if is_held(&error) => std::thread::sleep(HELD_PAUSE),
            other => return other,
        }
    }
    open(folder)
}

/// sled has no error of its own for a file that somebody holds.
fn is_held(error: &JournalError) -> bool {
    matches!(error, JournalError::Store(sled::Error::Io(io)) if io.kind() == io::ErrorKind::Other)
}

fn sync_all(path: &Path) -> io::Result<()> {
    for part in [path.join("db"), path.join("conf"), path.to_owned()] {
        if part.exists() {
            File::open(part)?.sync_all()?;
        }
    }
    path.parent().map_or(Ok(()), crate::durable::sync_folder)
}

fn put_aside(folder: &Path) -> io::Result<()> {
    let aside = |n: u32| folder.join(format!("quarantine.{n}"));
    let oldest = aside(KEPT_ASIDE);
    if oldest.exists() {
        std::fs::remove_dir_all(oldest)?;
    }
    for n in (1..KEPT_ASIDE).rev() {
        if aside(n).exists() {
            std::fs::rename(aside(n), aside(n + 1))?;
        }
    }
    std::fs::rename(folder.join("store"), aside(1))?;
    crate::durable::sync_folder(folder)
}

/// Reserves the ballast where there is room for it and the store; without room there is none, and that is no error.
pub(super) fn make_ballast(folder: &Path) {
    let path = folder.join("ballast");
    let wanted = u64::try_from(BALLAST).unwrap_or(0);
    let there = std::fs::metadata(&path).is_ok_and(|m| m.len() == wanted);
    if there || free(folder) < wanted + ROOM {
        return;
    }
    let Ok(file) = File::create(&path) else { return };
    if posix_fallocate(&file, 0, BALLAST).is_err() {
        let _ = std::fs::remove_file(path);
    }
}

/// Gives the ballast up; false when there was none.
pub(super) fn release_ballast(folder: &Path) -> bool {
    std::fs::remove_file(folder.join("ballast")).is_ok()
}

/// Whether the disk has room for the store to go on.
pub(super) fn has_room(folder: &Path) -> bool {
    free(folder) >= ROOM
}

fn free(folder: &Path) -> u64 {
    statvfs(folder).map_or(0, |stat| {
        stat.blocks_available().saturating_mul(stat.fragment_size())
    })
}

fn classify(error: sled::Error) -> JournalError {
    match &error {
        sled::Error::Io(io) if io.kind() == io::ErrorKind::StorageFull => JournalError::Full,
        _ => JournalError::Store(error),
    }
}

impl Store {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, JournalError> {
        self.db.get(key).map_err(classify)
    }

    /// Event records from `from` on, in order of their numbers. A page that cannot be read ends them with its error.
    pub(super) fn events(
        &self,
        from: Seq,
    ) -> impl Iterator<Item = Result<(Seq, sled::IVec), JournalError>> + use<> {
        let (low, high) = (event_key(from), [EVENT + 1]);
        let records = self.db.range(low.as_slice()..high.as_slice());
        until_error(records).filter_map(|record| match record {
            Ok((key, value)) => {
                let seq = key.get(1..)?.try_into().ok().map(u64::from_be_bytes)?;
                Some(Ok((Seq(seq), value)))
            }
            Err(error) => Some(Err(error)),
        })
    }

    /// Step records. A page that cannot be read ends them with its error.
    pub(super) fn steps(&self) -> impl Iterator<Item = Result<sled::IVec, JournalError>> + use<> {
        until_error(self.db.scan_prefix([STEP]).values())
    }

    /// All or nothing, not yet durable.
    pub(super) fn apply(&self, writes: sled::Batch) -> Result<(), JournalError> {
        self.db.apply_batch(writes).map_err(classify)
    }

    /// All or nothing, durable.
    pub(super) fn commit(&self, writes: sled::Batch) -> Result<(), JournalError> {
        self.apply(writes)?;
        self.db.flush().map_err(classify)?;
        self.file.sync_data().map_err(JournalError::Sync)
    }
}

/// All items up to the first error, and that one last: sled stays at a page that it cannot read and says so for ever.
fn until_error<T>(
    items: impl Iterator<Item = Result<T, sled::Error>>,
) -> impl Iterator<Item = Result<T, JournalError>> {
    let mut failed = false;
    items.map_while(move |item| {
        let over = std::mem::replace(&mut failed, item.is_err());
        (!over).then(|| item.map_err(classify))
    })
}

pub(super) fn event_key(seq: Seq) -> [u8; 9] {
    let mut key = [EVENT; 9];
    key[1..].copy_from_slice(&seq.0.to_be_bytes());
    key
}

pub(super) fn step_key(step: StepId) -> [u8; 33] {
    let mut key = [STEP; 33];
    key[1..].copy_from_slice(&step.0);
    key
}

/// Bytes that a record counts against the quota.
pub(super) fn size(value: &[u8]) -> u64 {
    u64::try_from(value.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_said_for_ever_comes_once_and_last() {
        let mut said = 0;
        let items = std::iter::from_fn(|| {
            said += 1;
            Some(match said {
                1 | 2 => Ok(said),
                3 => Err(sled::Error::ReportableBug("a page is gone".into())),
                4 => Err(sled::Error::ReportableBug("it still is".into())),
                _ => unreachable!("read on beyond the error"),
            })
        });
        let read: Vec<_> = until_error(items).collect();
        assert!(
            matches!(&read[..], [Ok(1), Ok(2), Err(JournalError::Store(_))]),
            "{read:?}"
        );
    }
}
