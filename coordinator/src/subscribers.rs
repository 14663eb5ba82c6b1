//! Who reads the log now, and how far each is: for metrics, and for nothing that decides.

use model::ids::Revision;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// All open subscriptions. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    at: Mutex<HashMap<u64, Revision>>,
}

/// One subscriber's place; it is given up by dropping it.
#[derive(Debug)]
pub struct Position {
    all: Subscribers,
    id: u64,
}

impl Subscribers {
    /// A new subscriber that has read up to `at`.
    pub fn enter(&self, at: Revision) -> Position {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let position = Position {
            all: self.clone(),
            id,
        };
        position.moved(at);
        position
    }

    /// How many there are, and how far the slowest is.
    pub fn look(&self) -> (usize, Option<Revision>) {
        let at = self.0.at.lock().unwrap_or_else(PoisonError::into_inner);
        (at.len(), at.values().min().copied())
    }
}

impl Position {
    /// It has read up to `at` now.
    pub fn moved(&self, at: Revision) {
        let mut all = self.all.0.at.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.id, at);
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        let mut all = self.all.0.at.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_counts_and_whoever_left_does_not() {
        let all = Subscribers::default();
        let (slow, fast) = (all.enter(Revision(3)), all.enter(Revision(4)));
        fast.moved(Revision(9));
        assert_eq!(all.look(), (2, Some(Revision(3))));
        drop(slow);
        assert_eq!(all.look(), (1, Some(Revision(9))));
        drop(fast);
        assert_eq!(all.look(), (0, None));
    }
}
