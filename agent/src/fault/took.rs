//! When a fault took hold, as narrow as its place can tell.
//!
//! What it acts on is looked up before, and what makes it durable comes after: both take longer than acting does, and a drill's
//! times of recovery are as wide as this.

use crate::clock;
use model::lease::Span;
use model::moment::Moment;

/// Of one injection.
#[derive(Debug)]
pub(super) struct Took {
    from: Moment,
    to: Option<Moment>,
}

impl Took {
    /// Right before the first thing that can be seen.
    pub(super) fn begin() -> Self {
        Self {
            from: clock::now(),
            to: None,
        }
    }

    /// It has taken hold; what follows only completes it. The first word counts.
    pub(super) fn hold(&mut self) {
        self.to.get_or_insert_with(clock::now);
    }

    /// At the end of the injection, where nobody said so earlier.
    pub(super) fn end(mut self) -> Span {
        self.hold();
        let Self { from, to } = self;
        Span {
            from,
            to: to.unwrap_or(from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_counts_and_none_is_the_end() {
        let mut early = Took::begin();
        early.to = Some(early.from);
        early.hold();
        let from = early.from;
        assert_eq!(early.end(), Span { from, to: from });
        let late = Took::begin();
        let from = late.from;
        let span = late.end();
        assert!(span.from == from && span.to >= from);
    }
}
