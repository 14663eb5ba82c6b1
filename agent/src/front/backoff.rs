//! Waits between tries: doubling from 100 ms to 2 s, so that an agent is back soon after its coordinator is, with full jitter
//! so that many agents do not come back at once.

use crate::clock;
use std::time::Duration;

const FIRST_MS: u64 = 100;
const LAST_MS: u64 = 2_000;
/// A session that held for longer than the longest wait was one. A coordinator that welcomes a node only to send it away must
/// not be dialled ten times a second.
const HELD_MS: u64 = 3_000;

/// How long to wait next.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling_ms: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling_ms: FIRST_MS }
    }

    /// After a session that lasted for so long.
    pub(super) fn held(&mut self, lasted_ms: u64) {
        if lasted_ms >= HELD_MS {
            self.ceiling_ms = FIRST_MS;
        }
    }

    /// A random wait of at most the ceiling, which doubles.
    pub(super) fn next(&mut self) -> Duration {
        let ceiling = self.ceiling_ms;
        self.ceiling_ms = (ceiling * 2).min(LAST_MS);
        let random = clock::random().map_or(u64::MAX, u64::from_be_bytes);
        Duration::from_millis(FIRST_MS / 4 + random % ceiling)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn waits_grow_to_a_bound_and_start_again() {
        let mut backoff = super::Backoff::new();
        let longest = (0..200).map(|_| backoff.next().as_millis()).max().expect("some");
        assert!((500..=2_025).contains(&longest), "{longest}");
        backoff.held(super::HELD_MS);
        assert!(backoff.next().as_millis() <= 125);
    }

    #[test]
    fn a_short_session_does_not_begin_them_again() {
        let mut backoff = super::Backoff::new();
        let mut after_each = || {
            backoff.held(super::LAST_MS);
            backoff.next().as_millis()
        };
        let longest = (0..200).map(|_| after_each()).max().expect("some");
        assert!(longest >= 500, "{longest}");
    }
}
