//! A chain of hashes over the log: each link covers the one before, so an entry that is changed, left out or put in later
//! breaks it. A CRC tells damage, this tells intent; whoever can write the log can also make a new chain, so the end that
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
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::redb::ENTRIES;
    use super::super::{Entry, Journal, JournalError, RedbJournal, record};
    use super::*;
    use model::moment::Moment;
    use std::path::Path;

    fn entry(text: &str) -> Entry {
        Entry {
            time: Moment(1),
            json: format!("{{\"record\":\"audit\",\"what\":\"{text}\"}}").into_bytes(),
        }
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
        singly.compact(Revision(6), b"what was known").expect("compacted");
        drop(singly);
        let mut reopened = open(&other).expect("the rest is whole");
        assert_eq!(reopened.chain(), end);
        reopened.append(&entries[..1]).expect("appended");
        assert_ne!(reopened.chain(), end);
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
}
