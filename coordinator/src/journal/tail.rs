//! The newest entries in memory: whoever keeps up with the log reads no disk for it, and parses nothing that was just written.

use super::Entry;
use model::ids::Revision;
use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Bytes of JSON that are kept, some thousand entries: several of the largest writes, or a reader would always come too late.
const MOST: usize = 2 * 1024 * 1024;

/// Consecutive entries up to the head.
#[derive(Debug, Default)]
pub(super) struct Tail(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    /// Revision of the first of them.
    first: Revision,
    bytes: usize,
}

impl Tail {
    /// Takes in what was made durable right after `head`.
    pub(super) fn extend(&self, head: Revision, batch: &[Entry]) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.entries.is_empty() {
            kept.first = head.next();
        }
        for entry in batch {
            kept.bytes = kept.bytes.saturating_add(entry.json.len());
            kept.entries.push_back(entry.clone());
        }
        while kept.bytes > MOST {
            let Some(gone) = kept.entries.pop_front() else {
                return;
            };
            kept.bytes = kept.bytes.saturating_sub(gone.json.len());
            kept.first = kept.first.next();
        }
    }

    /// At most `max` entries above `after`; None when the first of them is not here.
    pub(super) fn read(&self, after: Revision, max: usize) -> Option<Vec<(Revision, Entry)>> {
        let kept = self.kept();
        let skipped = after.next().0.checked_sub(kept.first.0)?;
        let entries = kept.entries.iter().skip(usize::try_from(skipped).ok()?).take(max);
        let found: Vec<_> = (after.next().0..).map(Revision).zip(entries.cloned()).collect();
        (!found.is_empty()).then_some(found)
    }

    fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::moment::Moment;

    fn entries(bytes: usize, count: u8) -> Vec<Entry> {
        (0..count)
            .map(|n| Entry::new(Moment(0), vec![n; bytes]))
            .collect()
    }

    fn revisions(found: Option<Vec<(Revision, Entry)>>) -> Vec<u64> {
        found
            .into_iter()
            .flatten()
            .map(|(revision, _)| revision.0)
            .collect()
    }

    #[test]
    fn what_is_here_is_given_and_what_is_not_is_left_to_the_disk() {
        let tail = Tail::default();
        assert!(tail.read(Revision(0), 9).is_none());
        tail.extend(Revision(4), &entries(3, 2));
        tail.extend(Revision(6), &entries(3, 1));
        assert!(tail.read(Revision(3), 9).is_none(), "entry 4 is on disk only");
        assert_eq!(revisions(tail.read(Revision(4), 9)), [5, 6, 7]);
        assert_eq!(revisions(tail.read(Revision(5), 1)), [6]);
        assert!(tail.read(Revision(7), 9).is_none());
        let (revision, entry) = tail.read(Revision(6), 9).expect("there").remove(0);
        assert_eq!((revision, &entry.json[..]), (Revision(7), &[0, 0, 0][..]));
    }

    #[test]
    fn the_oldest_go_first_and_one_that_is_too_large_leaves_nothing() {
        let tail = Tail::default();
        tail.extend(Revision(0), &entries(MOST / 4, 6));
        assert_eq!(revisions(tail.read(Revision(2), 9)), [3, 4, 5, 6]);
        assert!(tail.read(Revision(1), 9).is_none());
        tail.extend(Revision(6), &entries(MOST + 1, 1));
        assert!(tail.read(Revision(6), 9).is_none());
        tail.extend(Revision(7), &entries(8, 1));
        assert_eq!(revisions(tail.read(Revision(7), 9)), [8]);
    }
}
