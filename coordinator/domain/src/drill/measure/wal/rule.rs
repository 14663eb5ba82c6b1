//! The count rule of a truncation tick, as the agent applies it.

/// Number of a WAL segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Segment(pub u64);

impl Segment {
    /// The one written after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Up to which segment a tick deletes, when `first` is the oldest file and `last` the one being written.
///
/// The newest is never considered; of the rest, the lower two thirds go, and nothing goes when that is one file only.
/// The tick cuts a new segment after the numbers were read, so `last` is the number before the cut.
pub fn deletion_bound(first: Segment, last: Segment) -> Option<Segment> {
    let considered = last.0.checked_sub(1)?.checked_sub(first.0)?;
    let folded = u64::try_from(u128::from(considered) * 2 / 3).ok()?;
    (folded > 0).then(|| Segment(first.0.saturating_add(folded)))
}

#[cfg(test)]
mod tests {
    use super::{Segment, deletion_bound};

    #[test]
    fn two_thirds_of_all_but_the_newest_go_unless_that_is_one() {
        let table = [
            (0, 0, None),
            (0, 1, None),
            (0, 2, None),
            (0, 3, Some(1)),
            (0, 4, Some(2)),
            (0, 5, Some(2)),
            (0, 6, Some(3)),
            (2, 4, None),
            (2, 5, Some(3)),
            (7, 100, Some(68)),
            (9, 3, None),
            (u64::MAX, u64::MAX, None),
            (0, u64::MAX, Some(12_297_829_382_473_034_409)),
        ];
        for (first, last, bound) in table {
            let found = deletion_bound(Segment(first), Segment(last));
            assert_eq!(found, bound.map(Segment), "{first}..{last}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_newest_two_files_always_survive(first in 0_u64..1 << 40, files in 0_u64..1 << 40) {
            let (first, last) = (Segment(first), Segment(first + files));
            if let Some(bound) = deletion_bound(first, last) {
                proptest::prop_assert!(first < bound && bound.next() < last);
            }
        }
    }
}
