//! Parts of the log that a subscriber was told are gone: what may be missing for that reason, and nothing else.

use std::collections::BTreeMap;

/// What came just before each of them, since a node's events come in the order in which they were made.
type Before = BTreeMap<String, usize>;

/// All of them, of one subscriber.
#[derive(Debug, Default)]
pub(super) struct Holes {
    /// Revisions strictly between the two, in the present log.
    revisions: Vec<(u64, u64)>,
    /// How far each node's marks had come before each hole.
    before: Vec<Before>,
}

impl Holes {
    /// Retention took what is after `last` and before `oldest`.
    pub(super) fn skip(&mut self, last: u64, oldest: u64, made: &Before) {
        self.revisions.push((last, oldest));
        self.before.push(made.clone());
    }

    /// The log ended somewhere after `made`, and another began.
    pub(super) fn replace(&mut self, made: &Before) {
        self.revisions.clear();
        self.before.push(made.clone());
    }

    /// Whether this revision was declared as gone.
    pub(super) fn have(&self, revision: u64) -> bool {
        self.revisions
            .iter()
            .any(|(last, oldest)| *last < revision && revision < *oldest)
    }

    /// Whether an event that `node` made behind the one that came last before it, None for the first, may be gone: a hole is
    /// where it would have come.
    pub(super) fn may_have(&self, node: &str, came: Option<usize>) -> bool {
        self.before.iter().any(|before| before.get(node).copied() == came)
    }
}
