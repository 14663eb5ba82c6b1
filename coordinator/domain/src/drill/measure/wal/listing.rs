//! What the folder of a log tells: its segments, how full the newest is, and when the last tick was.

use super::rule::Segment;
use model::moment::Moment;

/// One segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its number.
    pub segment: Segment,
    /// Its length.
    pub bytes: u64,
    /// When it was created; None where the file system does not tell.
    pub born: Option<Moment>,
}

/// The segment files of one moment, in order and without holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    files: Vec<File>,
}

/// Why a folder is no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// No segment file.
    #[error("the folder has no segment file; is it the agent's `wal` folder?")]
    Empty,
    /// A number is missing; the agent refuses to truncate such a log, so that it grows without bound.
    #[error("segment {after} is followed by {found}; the agent truncates no more")]
    Hole {
        /// The last one in sequence.
        after: Segment,
        /// What comes instead of its next.
        found: Segment,
    },
}

impl Listing {
    /// From the folder's entries; whatever is not named by a number only, as a checkpoint, is not a segment.
    pub fn new<'a>(
        entries: impl IntoIterator<Item = (&'a str, u64, Option<Moment>)>,
    ) -> Result<Self, ListingError> {
        let file = |(name, bytes, born): (&str, u64, Option<Moment>)| {
            let digits = name.bytes().all(|b| b.is_ascii_digit());
            let segment = Segment(digits.then(|| name.parse().ok()).flatten()?);
            Some(File { segment, bytes, born })
        };
        let mut files: Vec<File> = entries.into_iter().filter_map(file).collect();
        files.sort_by_key(|f| f.segment);
        for (before, after) in files.iter().zip(files.iter().skip(1)) {
            if before.segment.next() != after.segment {
                return Err(ListingError::Hole {
                    after: before.segment,
                    found: after.segment,
                });
            }
        }
        if files.is_empty() {
            return Err(ListingError::Empty);
        }
        Ok(Self { files })
    }

    /// The oldest.
    pub fn first(&self) -> Segment {
        self.files.first().map_or(Segment(0), |f| f.segment)
    }

    /// The one being written.
    pub fn current(&self) -> Segment {
        self.files.last().map_or(Segment(0), |f| f.segment)
    }

    /// Bytes of the one being written.
    pub fn filled(&self) -> u64 {
        self.files.last().map_or(0, |f| f.bytes)
    }

    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, f| sum.saturating_add(f.bytes))
    }

    /// When a segment was begun, if it is there and its file system tells.
    pub fn born(&self, segment: Segment) -> Option<Moment> {
        self.files.iter().find(|f| f.segment == segment)?.born
    }

    /// When the last tick was: the birth of the newest segment whose predecessor was not full.
    ///
    /// A segment is full when one more record does not fit, so up to a record (3 % are allowed) may be missing. None when
    /// every cut that is still to be seen was made by volume.
    pub fn last_tick(&self, segment_bytes: u64) -> Option<Moment> {
        let full = |f: &File| u128::from(f.bytes) * 100 >= u128::from(segment_bytes) * 97;
        let pairs = self.files.iter().zip(self.files.iter().skip(1));
        pairs
            .rev()
            .find(|(before, _)| !full(before))
            .and_then(|(_, born)| born.born)
    }

    /// Bytes written since an earlier listing of the same log; None when the log was replaced in between.
    pub fn written_since(&self, earlier: &Self) -> Option<u64> {
        let (then, filled) = (earlier.current(), earlier.filled());
        if self.current() < then || self.first() > then {
            return None;
        }
        let later = self.files.iter().filter(|f| f.segment >= then);
        later.map(|f| f.bytes).sum::<u64>().checked_sub(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(i64) -> Option<Moment> = |secs| Some(Moment(secs * 1_000_000));

    #[test]
    fn segments_are_found_among_other_entries() {
        let listing = Listing::new([
            ("00000003", 10, AT(30)),
            ("checkpoint.00000001", 4096, AT(20)),
            ("00000002", 1000, AT(20)),
        ])
        .expect("a log");
        assert_eq!((listing.first(), listing.current()), (Segment(2), Segment(3)));
        assert_eq!((listing.filled(), listing.bytes()), (10, 1010));
    }

    #[test]
    fn holes_and_emptiness_are_errors() {
        let hole = Listing::new([("00000003", 1, None), ("00000005", 1, None)]);
        let expected = ListingError::Hole {
            after: Segment(3),
            found: Segment(5),
        };
        assert_eq!(hole, Err(expected));
        assert_eq!(
            Listing::new([("checkpoint.3", 1, None)]),
            Err(ListingError::Empty)
        );
    }

    #[test]
    fn the_last_tick_is_the_birth_after_a_segment_that_was_not_full() {
        let files = [
            ("00000001", 400, AT(10)),
            ("00000002", 990, AT(20)),
            ("00000003", 10, AT(25)),
        ];
        assert_eq!(Listing::new(files).expect("a log").last_tick(1000), AT(20));
        assert_eq!(Listing::new([files[2]]).expect("a log").last_tick(1000), None);
    }

    #[test]
    fn what_was_written_counts_over_cuts_and_deletions() {
        let then = Listing::new([("00000001", 400, None), ("00000002", 100, None)]).expect("a log");
        let now = Listing::new([("00000002", 990, None), ("00000003", 10, None)]).expect("a log");
        assert_eq!(now.written_since(&then), Some(900));
        assert_eq!(then.written_since(&now), None);
        let gone = Listing::new([("00000003", 10, None)]).expect("a log");
        assert_eq!(gone.written_since(&then), None);
    }
}
