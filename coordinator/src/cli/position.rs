//! How far a reader of the log came, and in which log: what it asks for when it goes on.

use proto::v1::{SubscribeRequest, subscribe_response::Item};

/// Right behind what a reader was told last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last revision that was delivered, or left out by the filter.
    pub(crate) after: u64,
    /// The log that it counts in; empty until somebody named it. Without it a new log that has grown as long as the old
    /// one goes for the same, and its beginning is never seen.
    pub(crate) log_id: Vec<u8>,
}

impl Position {
    /// Behind this revision of whichever log there is.
    pub(crate) fn behind(after: u64) -> Self {
        Self {
            after,
            log_id: Vec::new(),
        }
    }

    /// Moves behind what the item delivers or declares, so that nothing comes twice and what is gone is not asked for again.
    pub(crate) fn moved(&mut self, item: &Item) {
        match item {
            Item::Entry(entry) => self.after = entry.revision,
            Item::Gap(gap) => self.after = gap.revision,
            Item::Bookmark(bookmark) => {
                self.after = bookmark.revision;
                self.log_id.clone_from(&bookmark.log_id);
            }
            Item::Compacted(compacted) => self.after = compacted.oldest.saturating_sub(1),
            Item::TooSlow(_) => {}
            Item::LogReset(reset) => {
                self.after = 0;
                self.log_id.clone_from(&reset.log_id);
            }
        }
    }

    /// All that follows, now and later.
    pub(crate) fn request(&self) -> SubscribeRequest {
        SubscribeRequest {
            after: self.after,
            log_id: self.log_id.clone(),
            follow: true,
            ..SubscribeRequest::default()
        }
    }

    /// The options of `events` that go on here.
    pub(crate) fn options(&self) -> String {
        let after = format!("--after {}", self.after);
        if self.log_id.is_empty() {
            return after;
        }
        format!("{after} --log-id {}", hex::encode(&self.log_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Bookmark, Compacted, Gap, LogEntry, LogReset, TooSlow};

    #[test]
    fn a_reader_goes_on_behind_whatever_it_was_told_and_in_the_log_that_was_named() {
        let entry = LogEntry {
            revision: 8,
            ..LogEntry::default()
        };
        let gap = Gap {
            revision: 9,
            ..Gap::default()
        };
        let bookmark = Bookmark {
            revision: 12,
            log_id: vec![2; 16],
        };
        let reset = LogReset { log_id: vec![3; 16] };
        for (item, after, log) in [
            (Item::Entry(entry), 8, 1),
            (Item::Gap(gap), 9, 1),
            (Item::Bookmark(bookmark), 12, 2),
            (Item::Compacted(Compacted { oldest: 100 }), 99, 1),
            (Item::TooSlow(TooSlow { last: 5 }), 7, 1),
            (Item::LogReset(reset), 0, 3),
        ] {
            let mut position = Position {
                after: 7,
                log_id: vec![1; 16],
            };
            position.moved(&item);
            let request = position.request();
            assert_eq!(
                (request.after, request.log_id),
                (after, vec![log; 16]),
                "{item:?}"
            );
        }
    }

    #[test]
    fn the_way_on_names_the_log_once_it_is_known() {
        let mut position = Position::behind(41);
        assert_eq!(position.options(), "--after 41");
        position.log_id = vec![0xab; 16];
        assert_eq!(
            position.options(),
            format!("--after 41 --log-id {}", "ab".repeat(16))
        );
    }
}
