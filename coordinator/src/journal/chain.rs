//! A chain of hashes over the log: each link covers the one before, so an entry that is changed, left out or put in later
//! breaks it. What retention leaves instead of the entries that it takes, the base, is a link too. A CRC tells damage, this tells intent; whoever can write the log can also make a new chain, so the end that
//! the daemon says at each start is worth keeping elsewhere.

use model::ids::{LogId, Revision};
use sha2::{Digest, Sha256};

/// The chain up to some revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub(super) [u8; 32]);

impl Chain {
    /// Before the first entry of a log.
    pub(super) fn begin(log_id: LogId) -> Self {
        Self(Sha256::digest(log_id.0).into())
    }

    /// With one more entry, as it lies in the store.
    #[must_use]
    pub(super) fn with(self, revision: Revision, stored: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(revision.0.to_be_bytes());
        hash.update(stored);
        Self(hash.finalize().into())
    }

    /// With the base that a fold begins from since then: it cannot be exchanged without breaking every link after it.
    #[must_use]
    pub(super) fn sealed(self, seal: Seal) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(SEALED);
        hash.update(seal.0);
        Self(hash.finalize().into())
    }
}

/// Stands where an entry's link has its revision; no revision is as high.
const SEALED: [u8; 8] = [0xff; 8];

/// What a base is known by in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal(pub(super) [u8; 32]);

impl Seal {
    /// Of the base as it lies in the store.
    pub(super) fn of(stored: &[u8]) -> Self {
        Self(Sha256::digest(stored).into())
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::redb::{BASE, ENTRIES, META, SEALS};
    use super::super::{Entry, Journal, JournalError, RedbJournal, record};
    use super::*;
    use model::moment::Moment;
    use std::path::Path;

    fn entry(text: &str) -> Entry {
        Entry::new(Moment(1), format!("{{\"record\":\"audit\",\"what\":\"{text}\"}}"))
    }

    fn open(path: &Path) -> Result<RedbJournal, JournalError> {
        RedbJournal::open(path, LogId([3; 16]))
    }

    #[test]
    fn the_end_is_the_same_however_the_entries_came_and_survives_a_restart_and_retention() {
        let dir = tempfile::tempdir().expect("temp");
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        let entries: Vec<Entry> = (0..9).map(|n| entry(&n.to_string())).collect();
        let mut journal = open(&one).expect("opened");
        journal.append(&entries).expect("appended");
        let end = journal.chain();
        let mut singly = open(&other).expect("opened");
        for entry in &entries {
            singly.append(std::slice::from_ref(entry)).expect("appended");
        }
        assert_eq!(singly.chain(), end);
        singly.compact(Revision(4), b"what was known").expect("compacted");
        singly.compact(Revision(6), b"what was known").expect("compacted");
        let after = singly.chain();
        assert_ne!(after, end, "it goes on over both bases");
        drop(singly);
        let mut reopened = open(&other).expect("the rest is whole");
        assert_eq!(reopened.chain(), after);
        reopened.append(&entries).expect("appended");
        // A base in the middle of what is kept, and then one for which that middle goes too.
        reopened.compact(Revision(8), b"more").expect("compacted");
        reopened.append(&entries).expect("appended");
        drop(reopened);
        let mut again = open(&other).expect("whole with a base in the middle");
        again.compact(Revision(24), b"all").expect("compacted");
        let last = again.chain();
        drop(again);
        assert_eq!(open(&other).expect("whole").chain(), last);
    }

    #[test]
    fn an_entry_that_was_rewritten_with_its_checksum_is_found() {
        let dir = tempfile::tempdir().expect("temp");
        let path = dir.path().join("log");
        let mut journal = open(&path).expect("opened");
        journal.append(&["a", "b", "c"].map(entry)).expect("appended");
        drop(journal);
        let store = redb::Database::open(&path).expect("opened by somebody else");
        let write = store.begin_write().expect("write");
        let forged = record::encode(Revision(2), &entry("something else"));
        write
            .open_table(ENTRIES)
            .expect("entries")
            .insert(2, forged.as_slice())
            .expect("replaced");
        write.commit().expect("committed");
        drop(store);
        let error = open(&path).expect_err("found");
        assert!(
            matches!(&error, JournalError::Damaged { reason, .. } if reason.contains("chain")),
            "{error}"
        );
    }

    /// A log that was shortened, in which somebody else then wrote a base of their own with the right checksum, and whatever
    /// `hide` does to hide it. What the next opening says.
    fn forged_base(hide: impl FnOnce(&mut redb::Table<'_, u64, &[u8]>, Seal)) -> JournalError {
        let dir = tempfile::tempdir().expect("temp");
        let path = dir.path().join("log");
        let mut journal = open(&path).expect("opened");
        journal.append(&["a", "b", "c"].map(entry)).expect("appended");
        journal.compact(Revision(3), b"{\"true\":1}").expect("compacted");
        journal.append(&["d"].map(entry)).expect("appended");
        drop(journal);
        let store = redb::Database::open(&path).expect("opened by somebody else");
        let write = store.begin_write().expect("write");
        let forged = record::encode(Revision(3), &entry("something else"));
        {
            let mut meta = write.open_table(META).expect("meta");
            meta.insert(BASE, forged.as_slice()).expect("replaced");
            hide(&mut write.open_table(SEALS).expect("seals"), Seal::of(&forged));
        }
        write.commit().expect("committed");
        drop(store);
        open(&path).expect_err("found")
    }

    #[test]
    fn a_base_that_was_rewritten_with_its_checksum_is_found_and_named() {
        let error = forged_base(|_, _| ()).to_string();
        assert!(error.contains("is damaged in its base: "), "{error}");
    }

    #[test]
    fn a_forged_base_with_a_seal_of_its_own_or_none_breaks_the_chain() {
        let resealed = forged_base(|seals, seal| {
            seals.insert(3, seal.0.as_slice()).expect("replaced");
        });
        let unsealed = forged_base(|seals, _| {
            seals.remove(3).expect("removed");
        });
        for error in [resealed, unsealed].map(|error| error.to_string()) {
            assert!(error.contains("the chain of hashes is broken"), "{error}");
            assert!(error.contains("base"), "{error}");
        }
    }
}
