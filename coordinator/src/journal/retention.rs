//! How much of the log is kept: as long as it is neither too old nor too large.

use super::{Journal, JournalError};
use model::ids::Revision;
use model::moment::Moment;

/// Entries that one pass drops at most, so that the writer is held up for a moment only.
const PASS: usize = 16_384;

/// Entries looked at together.
const LOOK: usize = 1024;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries younger than this stay, unless there are too many bytes, in milliseconds.
    pub age_ms: u64,
    /// Most bytes of entries.
    pub bytes: u64,
}

impl Default for Retention {
    /// Seven days, one GiB.
    fn default() -> Self {
        Self {
            age_ms: 7 * 86_400_000,
            bytes: 1 << 30,
        }
    }
}

impl Retention {
    /// The oldest revision that is still wanted, when something must go. The last entry always stays.
    pub fn oldest_wanted(
        &self,
        journal: &dyn Journal,
        now: Moment,
    ) -> Result<Option<Revision>, JournalError> {
        let first = journal.oldest();
        let mut oldest = first;
        let mut size = journal.size();
        let mut seen = 0;
        while seen < PASS {
            let entries = journal.read(Revision(oldest.0.saturating_sub(1)), LOOK)?;
            if entries.is_empty() {
                break;
            }
            for (revision, entry) in entries {
                let too_old = now.millis_since(entry.time) > self.age_ms;
                if !(too_old || size > self.bytes) || revision >= journal.head() {
                    return Ok((oldest > first).then_some(oldest));
                }
                size = size.saturating_sub(super::record::size(&entry));
                oldest = revision.next();
                seen += 1;
            }
        }
        Ok((oldest > first).then_some(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Entry, MemoryJournal};
    use model::ids::LogId;

    fn log(times: impl IntoIterator<Item = i64>) -> MemoryJournal {
        let mut log = MemoryJournal::new(LogId([1; 16]));
        let entries: Vec<Entry> = times
            .into_iter()
            .map(|millis| Entry::new(Moment(millis * 1000), vec![b' '; 87]))
            .collect();
        log.append(&entries).expect("appended");
        log
    }

    #[test]
    fn age_and_size_each_set_the_bound_and_the_last_entry_stays() {
        let log = log(1..=10);
        let ask = |age_ms, bytes| {
            Retention { age_ms, bytes }
                .oldest_wanted(&log, Moment(10_000))
                .expect("read")
        };
        assert_eq!(log.size(), 1000, "100 bytes each");
        assert_eq!(ask(100, 1000), None);
        assert_eq!(ask(5, 1000), Some(Revision(5)));
        assert_eq!(ask(100, 350), Some(Revision(8)));
        assert_eq!(ask(5, 950), Some(Revision(5)), "the stricter one counts");
        assert_eq!(ask(0, 0), Some(Revision(10)), "the head stays");
    }

    #[test]
    fn a_pass_is_bounded() {
        let log = log(std::iter::repeat_n(0, PASS + 5000));
        let found = Retention { age_ms: 1, bytes: 0 }.oldest_wanted(&log, Moment(1_000_000));
        let oldest = found.expect("read").expect("something goes").0;
        assert!(
            oldest <= u64::try_from(PASS + LOOK).expect("small") + 1,
            "{oldest}"
        );
    }
}
